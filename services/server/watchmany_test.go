package server_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
)

// watchers are how many follow an episode at once on one server.
const watchers = 1000

func TestAThousandWatchersOfEpisodesEachSeeTheirOwnAndHinderNobody(t *testing.T) {
	c := start(t, nil)
	const patients = 100
	name := func(n int) string { return fmt.Sprintf("w%d", n%patients) }
	load := func(round int, size int) time.Duration {
		begun := time.Now()
		for from := 0; from < size; from += 100 {
			var batch []string
			for n := from; n < from+100; n++ {
				batch = append(batch, phq9(fmt.Sprintf("r%d-%d", round, n), fmt.Sprintf("b%d", n%500), monday.Add(time.Duration(round)*time.Hour), 1, 1, 1, 1, 1, 0, 0, 0, 0))
			}
			c.send(batch...)
		}
		return time.Since(begun)
	}
	var first []string
	for n := range patients {
		first = append(first, phq9(fmt.Sprintf("i%d", n), name(n), monday, 1, 1, 1, 1, 1, 0, 0, 0, 0))
	}
	c.send(first...)
	load(0, 1000)
	alone := load(1, 2000)

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var there, saw sync.WaitGroup
	there.Add(watchers)
	saw.Add(watchers)
	for n := range watchers {
		stream, err := c.outcomes.WatchEpisode(ctx, &rapportv1.WatchEpisodeRequest{Patient: name(n), HeartbeatSeconds: 300})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for seen := 0; ; seen++ {
				m, err := stream.Recv()
				if err != nil {
					return
				}
				if got := m.GetEpisode().GetPatient(); got != "Patient/"+name(n) {
					t.Errorf("the watcher of %s was sent %s", name(n), got)
				}
				switch seen {
				case 0:
					there.Done()
				case 1:
					saw.Done()
				}
			}
		}()
	}
	begun := time.Now()
	there.Wait()
	t.Logf("%d watchers there after %v", watchers, time.Since(begun))
	watched := load(2, 2000)
	t.Logf("2,000 responses about others: %v alone, %v with %d watchers", alone, watched, watchers)
	begun = time.Now()
	for n := range first {
		first[n] = phq9(fmt.Sprintf("j%d", n), name(n), monday.Add(time.Minute), 2, 1, 1, 1, 1, 0, 0, 0, 0)
	}
	c.send(first...)
	saw.Wait()
	t.Logf("all saw their own after %v", time.Since(begun))
}
