package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// broken gives a driver's error its kind.
func broken(err error, doing string) error {
	var f *fault.Fault
	switch {
	case err == nil || errors.As(err, &f):
		return err
	case errors.Is(err, context.Canceled):
		return fault.Wrap(fault.Unavailable, context.Canceled, doing)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Unavailable, context.DeadlineExceeded, doing)
	}
	return fault.Wrap(kindOf(err), told(err), doing)
}

// kindOf says what a driver's error asks of the caller.
func kindOf(err error) fault.Kind {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return kindOfState(said.Code)
	}
	var refused *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &refused) || errors.As(err, &network) || errors.Is(err, puddle.ErrClosedPool) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || lost(err) {
		return fault.Unavailable
	}
	return fault.Internal
}

// lost says whether the driver gave up the connection.
func lost(err error) bool {
	return pgconn.SafeToRetry(err) || pgconn.Timeout(err)
}

// kindOfState reads an SQLSTATE: its first two characters are its class.
func kindOfState(state string) fault.Kind {
	switch state {
	case "40001", "40P01":
		return fault.Conflict
	case "25006", "25P03", "55P03":
		return fault.Unavailable
	}
	if len(state) < 2 {
		return fault.Internal
	}
	switch state[:2] {
	case "08", "53", "57", "58":
		return fault.Unavailable
	case "22", "23", "54":
		return fault.Unprocessable
	}
	return fault.Internal
}

// told is the error without the server's own words, which can quote statements and values.
func told(err error) error {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return fmt.Errorf("PostgreSQL says SQLSTATE %s", said.Code)
	}
	var refused *pgconn.ConnectError
	if errors.As(err, &refused) {
		return refused // It names the server and why it could not be reached.
	}
	if kindOf(err) == fault.Unavailable {
		return errors.New("the connection to PostgreSQL was lost")
	}
	return errors.New("the database driver failed")
}
