package rest

import (
	"os"
	"testing"

	"github.com/rapport-health/rapport/services/testbed"
)

func TestMain(m *testing.M) { os.Exit(testbed.Main(m)) }
