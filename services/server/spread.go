package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/relay"
	"github.com/rapport-health/rapport/services/store"
)

// spreadEvery is how often the audit is looked at for what was not taken further yet.
const spreadEvery = 500 * time.Millisecond

// spreadPage is how many records are taken further at once.
const spreadPage = 500

// sink is a place to which the audit is taken.
type sink interface {
	// Last is the number of the last record of a tenant that is there.
	Last(ctx context.Context, t ref.Tenant) (int64, error)
	// Take adds records of a tenant that follow on the last one.
	Take(ctx context.Context, t ref.Tenant, records []audit.Record) error
}

// openSpread opens the places to which the audit is taken.
func (s *Server) openSpread() error {
	if path := s.config.Access.AuditFile; path != "" {
		file, err := openAuditFile(path)
		if err != nil {
			return fmt.Errorf("--audit-file: %w", err)
		}
		s.later("the audit file", func(ctx context.Context) error {
			return errors.Join(s.spreadOnce(ctx, file), file.file.Close())
		})
		s.entrance.spread = append(s.entrance.spread, func(ctx context.Context) { s.spread(ctx, file) })
	}
	if !s.config.Access.AuditStream {
		return nil
	}
	if s.config.Redis == "none" {
		return errors.New("--audit-stream needs --redis")
	}
	s.entrance.spread = append(s.entrance.spread, func(ctx context.Context) {
		address := s.config.Redis
		if s.embedded != nil {
			address = s.embedded.URL()
		}
		client, err := relay.Dial(address)
		if err != nil {
			s.config.Log.Error("the audit cannot be sent to Redis", "error", err)
			return
		}
		defer client.Close()
		s.spread(ctx, redisSink{client})
	})
	return nil
}

// spread takes the audit further until ctx ends. What a place does not take is tried again.
func (s *Server) spread(ctx context.Context, to sink) {
	ticker := time.NewTicker(spreadEvery)
	defer ticker.Stop()
	for {
		if err := s.spreadOnce(ctx, to); err != nil && ctx.Err() == nil {
			s.config.Log.Warn("the audit could not be taken further; it will be tried again", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) spreadOnce(ctx context.Context, to sink) error { return spreadOnce(ctx, s.store, to) }

func spreadOnce(ctx context.Context, from store.Audit, to sink) error {
	heads, err := from.AuditHeads(ctx)
	if err != nil {
		return err
	}
	for _, head := range heads {
		last, err := to.Last(ctx, head.Tenant)
		if err != nil {
			return err
		}
		for last < head.Seq {
			records, err := from.AuditAfter(ctx, head.Tenant, last, spreadPage)
			if err != nil || len(records) == 0 {
				return err
			}
			if err := to.Take(ctx, head.Tenant, records); err != nil {
				return err
			}
			last = records[len(records)-1].Seq
		}
	}
	return nil
}

// auditFile is a file of one record a line. It knows by what is in it how far it has come.
type auditFile struct {
	file *os.File
	last map[ref.Tenant]int64
}

func openAuditFile(path string) (*auditFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	a := &auditFile{f, map[ref.Tenant]int64{}}
	if err := a.read(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return a, nil
}

// read finds the last record of each tenant, and drops a last line that was cut off.
func (a *auditFile) read() error {
	lines, whole := bufio.NewReader(a.file), int64(0)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		whole += int64(len(line))
		var place struct {
			Tenant ref.Tenant `json:"tenant"`
			Seq    int64      `json:"seq"`
		}
		if json.Unmarshal(line, &place) == nil {
			a.last[place.Tenant] = max(a.last[place.Tenant], place.Seq)
		}
	}
	if err := a.file.Truncate(whole); err != nil {
		return err
	}
	_, err := a.file.Seek(whole, io.SeekStart)
	return err
}

// Last is known from the file itself.
func (a *auditFile) Last(_ context.Context, t ref.Tenant) (int64, error) { return a.last[t], nil }

// Take appends and flushes.
func (a *auditFile) Take(_ context.Context, t ref.Tenant, records []audit.Record) error {
	var b strings.Builder
	for _, r := range records {
		line, err := json.Marshal(AuditLine(r))
		if err != nil {
			return err
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	if _, err := a.file.WriteString(b.String()); err != nil {
		return err
	}
	if err := a.file.Sync(); err != nil {
		return err
	}
	a.last[t] = records[len(records)-1].Seq
	return nil
}

// redisSink is a Redis stream for each tenant. Record n becomes entry n-0, so that several servers do not double it.
type redisSink struct{ client redis.UniversalClient }

func auditStream(t ref.Tenant) string { return "rapport:{" + string(t) + "/audit}" }

// auditStreamLength is about how many entries a stream keeps: the database keeps all.
const auditStreamLength = 100_000

// Last asks the stream.
func (r redisSink) Last(ctx context.Context, t ref.Tenant) (int64, error) {
	newest, err := r.client.XRevRangeN(ctx, auditStream(t), "+", "-", 1).Result()
	if err != nil || len(newest) == 0 {
		return 0, err
	}
	number, _, _ := strings.Cut(newest[0].ID, "-")
	return strconv.ParseInt(number, 10, 64)
}

// Take adds entries. One that is there already was added by another server.
func (r redisSink) Take(ctx context.Context, t ref.Tenant, records []audit.Record) error {
	for _, record := range records {
		line, err := json.Marshal(AuditLine(record))
		if err != nil {
			return err
		}
		err = r.client.XAdd(ctx, &redis.XAddArgs{
			Stream: auditStream(t), ID: strconv.FormatInt(record.Seq, 10) + "-0", MaxLen: auditStreamLength, Approx: true,
			Values: []any{"seq", record.Seq, "hash", record.Hash.String(), "data", line},
		}).Err()
		if err != nil && !strings.Contains(err.Error(), "equal or smaller") {
			return err
		}
	}
	return nil
}
