package server

import (
	"context"

	"github.com/rapport-health/rapport/services/rehearse"
)

// Backtest plays the history that a store holds through rules, reading only. A server may go on writing to PostgreSQL
// meanwhile. A sealed one needs its master key, as Config.MasterKey names it. Errors: as rehearse.Backtest, and those of opening
// the store.
func Backtest(ctx context.Context, named string, h rehearse.History, masterKey ...string) (*rehearse.Comparison, error) {
	opened, err := openReadOnly(ctx, named, masterKey...)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	h.Store = opened
	return rehearse.Backtest(ctx, h)
}
