package sqlite_test

import (
	"testing"

	"github.com/rapport-health/rapport/services/store/storetest"
)

func BenchmarkUpdate(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) storetest.Store { return open(b) })
}
