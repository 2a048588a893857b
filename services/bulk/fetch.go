package bulk

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// The patience with servers that inputs are fetched from.
const (
	dialWithin   = 15 * time.Second
	answerWithin = time.Minute
	maxRedirects = 3
)

// fetcher fetches inputs, from public addresses and over TLS unless it may from private ones.
func fetcher(private bool) *http.Client {
	dialer := &net.Dialer{Timeout: dialWithin, Control: func(_, address string, _ syscall.RawConn) error {
		return judgeAddress(address, private)
	}}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: dialWithin, ResponseHeaderTimeout: answerWithin,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return errors.New("too many redirects")
			}
			return judgeURL(r.URL, private)
		},
	}
}

// errPrivate refuses an address that only machines of a network inside may reach.
var errPrivate = errors.New("the address is not a public one")

// judgeAddress looks at the very address that is about to be connected to, so that no name can lead elsewhere.
func judgeAddress(address string, private bool) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !private && !public(at.Addr().Unmap()) {
		return errPrivate
	}
	return nil
}

// inside are networks that are not public although they are not called private: shared, for documentation and benchmarks,
// reserved, and those by which IPv4 addresses go in IPv6.
var inside = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("::/96"),
}

func public(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		return false
	}
	for _, network := range inside {
		if network.Contains(ip) {
			return false
		}
	}
	return true
}

// judgeURL says whether an input may be fetched from a URL at all.
func judgeURL(u *url.URL, private bool) error {
	switch {
	case u.Host == "" || u.User != nil:
		return errors.New("it is no URL of a server without a password")
	case u.Scheme != "https" && (u.Scheme != "http" || !private):
		return errors.New("it is not an https URL")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !private && !public(ip.Unmap()) {
		return errPrivate
	}
	return nil
}

// checkInput refuses a URL at the kick-off. Errors: Unprocessable.
func checkInput(text string, private bool) error {
	u, err := url.Parse(text)
	if err == nil {
		err = judgeURL(u, private)
	}
	if err != nil {
		return fault.New(fault.Unprocessable, fault.Errorf("value", "Parameters.parameter.part",
			"an input is an https URL of a public server: this one cannot be fetched"))
	}
	return nil
}

// errInput is why an input cannot be had, whoever tries again.
type errInput struct{ why string }

// Error is the reason.
func (e *errInput) Error() string { return e.why }

// download brings an input. Errors: errInput where trying again is of no use; Unavailable where it may be.
func (r *Room) download(ctx context.Context, from string, into io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
	if err != nil {
		return &errInput{"the URL cannot be read"}
	}
	req.Header.Set("Accept", ndjson+", application/ndjson, */*;q=0.1")
	resp, err := r.fetch.Do(req)
	if err != nil {
		if errors.Is(err, errPrivate) {
			return &errInput{"the URL leads to an address that is not public"}
		}
		return fault.Wrap(fault.Unavailable, errors.New("no answer"), "fetching an input") // the text would name the URL
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return fault.Wrap(fault.Unavailable, errors.New(resp.Status), "fetching an input")
	case resp.StatusCode != http.StatusOK:
		return &errInput{fmt.Sprintf("the server of the input answered %d", resp.StatusCode)}
	}
	return r.spool(into, resp.Body)
}
