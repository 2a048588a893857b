package subscriptions

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// guard says which endpoints may be called. A name is judged by the address that it resolves to at the very moment of
// the call, so a name whose address changes gains nothing.
type guard struct {
	// private lets endpoints lie on addresses that are not public.
	private bool
	// hosts are the only ones that may be called; none means any.
	hosts []string
}

// forbidden is why a connection was not made.
var errForbidden = errors.New("the endpoint's address is not one that may be called")

// endpoint judges a URL by what it says itself.
func (g guard) endpoint(u *url.URL) error {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !g.private):
		return fault.Newf(fault.Unprocessable, "not-supported", "endpoint must be an https URL")
	case len(g.hosts) > 0 && !slices.ContainsFunc(g.hosts, func(allowed string) bool { return matches(allowed, host) }):
		return fault.Newf(fault.Unprocessable, "forbidden", "endpoint lies on a host that is not on this server's list")
	case g.private:
		return nil
	case host == "localhost" || strings.HasSuffix(host, ".localhost"):
		return fault.Newf(fault.Unprocessable, "forbidden", "endpoint must not lie on a private or loopback address")
	}
	if ip, err := netip.ParseAddr(host); err == nil && !public(ip) {
		return fault.Newf(fault.Unprocessable, "forbidden", "endpoint must not lie on a private or loopback address")
	}
	return nil
}

// matches says whether a host is the allowed one, or lies below an allowed `*.domain`.
func matches(allowed, host string) bool {
	allowed = strings.ToLower(allowed)
	if domain, ok := strings.CutPrefix(allowed, "*"); ok {
		return strings.HasPrefix(domain, ".") && strings.HasSuffix(host, domain)
	}
	return host == allowed
}

// control judges the address that is about to be connected to. What goes without TLS goes to private addresses alone.
func (g guard) control(secure bool) func(network, address string, _ syscall.RawConn) error {
	return func(network, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if err != nil || !strings.HasPrefix(network, "tcp") {
			return errForbidden
		}
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return errForbidden
		}
		if isPublic := public(ip); isPublic && secure || !isPublic && g.private {
			return nil
		}
		return errForbidden
	}
}

// reserved are the addresses that lead to machines that a stranger could not reach, or to none, as IANA lists them.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("240.0.0.0/4"),
	// A platform's own services, reachable from within alone.
	netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("::/128"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("5f00::/16"), netip.MustParsePrefix("fc00::/7"),
	netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("ff00::/8"),
}

// The ways in which an address of IPv6 holds one of IPv4, and where in its bytes.
var embedded = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, {netip.MustParsePrefix("2002::/16"), 2}, {netip.MustParsePrefix("::/96"), 12},
}

// public says whether an address is one of the open internet.
func public(ip netip.Addr) bool {
	if ip = ip.WithZone("").Unmap(); !ip.IsValid() {
		return false
	}
	if slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return false
	}
	for _, e := range embedded {
		if e.prefix.Contains(ip) {
			bytes := ip.As16()
			return public(netip.AddrFrom4([4]byte(bytes[e.at : e.at+4])))
		}
	}
	return ip.IsGlobalUnicast()
}
