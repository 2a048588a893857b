package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// profile takes a processor profile of the server while a load runs, when profiles are wanted. The function it returns
// waits for the profile to be written.
func (r *run) profile(ctx context.Context, name string, lasting time.Duration) (wait func()) {
	if r.Profiles == "" {
		return func() {}
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		file := filepath.Join(r.Profiles, r.engine+"-"+strings.NewReplacer(" ", "-", ",", "").Replace(name)+".pprof")
		if err := r.fetch(ctx, file, lasting); err != nil {
			r.say("%s: no profile: %v", name, err)
		}
	}()
	return func() { <-written }
}

func (r *run) fetch(ctx context.Context, file string, lasting time.Duration) error {
	address := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", r.server.pprof, max(1, int(lasting.Seconds())))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s", response.Status)
	}
	if err := os.MkdirAll(r.Profiles, 0o755); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, response.Body); err != nil {
		_ = f.Close() // the first error tells more
		return err
	}
	return f.Close()
}
