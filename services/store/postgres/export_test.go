package postgres

import "testing"

// Setting is what the store's connections have for a parameter.
func (s *Store) Setting(t testing.TB, name string) string {
	t.Helper()
	var value string
	if err := s.pool.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
