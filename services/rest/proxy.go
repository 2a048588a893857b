package rest

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// prefixForm is a path as it may stand before ours.
var prefixForm = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// forwarded is the base by which a client reached a proxy that is believed; ok is false when there is none.
func (s *Server) forwarded(r *http.Request) (base string, ok bool) {
	if len(s.config.Proxies) == 0 || !s.believed(r.RemoteAddr) {
		return "", false
	}
	scheme, host, prefix := "http", "", strings.TrimSuffix(firstOf(r.Header.Get("X-Forwarded-Prefix")), "/")
	if line := r.Header.Get("Forwarded"); line != "" {
		scheme, host = readForwarded(line, scheme)
	} else {
		host = firstOf(r.Header.Get("X-Forwarded-Host"))
		if proto := firstOf(r.Header.Get("X-Forwarded-Proto")); proto != "" {
			scheme = strings.ToLower(proto)
		}
		if port := firstOf(r.Header.Get("X-Forwarded-Port")); port != "" && host != "" && !strings.Contains(host, ":") && !usual(scheme, port) {
			host += ":" + port
		}
	}
	u, err := url.Parse(scheme + "://" + host + prefix + Prefix)
	if err != nil || prefix != "" && (!prefixForm.MatchString(prefix) || path.Clean(prefix) != prefix) || u.Host != host || host == "" || scheme != "http" && scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", false
	}
	return u.String(), true
}

func usual(scheme, port string) bool {
	return scheme == "http" && port == "80" || scheme == "https" && port == "443"
}

// believed says whether the other end of the connection is a proxy that is believed.
func (s *Server) believed(remote string) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, network := range s.config.Proxies {
		if network.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

// readForwarded reads the first element of a Forwarded header (RFC 7239), which is that of the client.
func readForwarded(line, scheme string) (proto, host string) {
	proto = scheme
	for pair := range strings.SplitSeq(firstOf(line), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "proto":
			proto = strings.ToLower(value)
		case "host":
			host = value
		}
	}
	return proto, host
}

func firstOf(list string) string {
	one, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(one)
}
