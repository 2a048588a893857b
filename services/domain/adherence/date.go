package adherence

import (
	"fmt"
	"time"
)

// Date is a UTC calendar day, counted from 1 January 1970. Its text is `2006-01-02`.
type Date int32

const dateForm = "2006-01-02"

const secondsPerDay = 24 * 60 * 60

// DateOf is the UTC day of a moment.
func DateOf(t time.Time) Date {
	s := t.Unix()
	d := s / secondsPerDay
	if s%secondsPerDay < 0 {
		d--
	}
	return Date(d)
}

// Start is the first moment of the day.
func (d Date) Start() time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

// Weekday of the day.
func (d Date) Weekday() time.Weekday {
	return time.Weekday(((int(d)+int(time.Thursday))%7 + 7) % 7)
}

// String is `2006-01-02`.
func (d Date) String() string { return d.Start().Format(dateForm) }

// MarshalText writes String.
func (d Date) MarshalText() ([]byte, error) { return d.Start().AppendFormat(nil, dateForm), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Date) UnmarshalText(text []byte) error {
	t, err := time.Parse(dateForm, string(text))
	if err != nil {
		return fmt.Errorf("not a date of the form %s", dateForm)
	}
	*d = DateOf(t)
	return nil
}
