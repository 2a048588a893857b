package rest

import (
	"testing"

	"github.com/rapport-health/rapport/services/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }
