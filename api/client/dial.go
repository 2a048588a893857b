package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Dial is a client for the Redis at an address, which is one of
//
//	redis://[user:password@]host[:6379][/database]
//	redis-sentinel://[user:password@]host[:26379],host[:26379]/master[/database]
//	redis-cluster://[user:password@]host[:6379],host[:6379]
//	unix:///path/of/socket
//
// With TLS they are rediss, rediss-sentinel and rediss-cluster. Letters of a user or password that have a meaning in a
// URL are written as in a URL, such as %40 for @. Parameters follow behind `?`, joined by `&`:
//
//	ca=FILE            certificate authorities to trust (PEM) instead of the system's; needs TLS
//	cert=FILE key=FILE certificate to show, and its key (PEM); needs TLS
//	server-name=NAME   name that the server's certificate must have; needs TLS
//	sentinel-user=, sentinel-password=  for the sentinels, when they ask for other names than Redis does
//	pool-size=N        most connections to each server
//
// It connects when it is first used, and with short time-outs, because a cancelled context does not interrupt a read.
// The error says what is wrong with the address, and never repeats a password.
func Dial(address string) (redis.UniversalClient, error) {
	a, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	const patience = 2 * time.Second
	o := &redis.UniversalOptions{
		Addrs: a.hosts, MasterName: a.master, DB: a.database, IsClusterMode: a.kind == cluster,
		Username: a.user, Password: a.password,
		SentinelUsername: a.sentinelUser, SentinelPassword: a.sentinelPassword,
		TLSConfig: a.tls, PoolSize: a.poolSize,
		DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience,
		ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1,
		DisableIdentity: true, // a user with few rights need not be let do CLIENT SETINFO
	}
	switch a.kind {
	case cluster:
		return redis.NewClusterClient(o.Cluster()), nil
	case sentinel:
		return redis.NewFailoverClient(o.Failover()), nil
	case socket:
		simple := o.Simple()
		simple.Network = "unix"
		return redis.NewClient(simple), nil
	default:
		return redis.NewClient(o.Simple()), nil
	}
}

// kind of a Redis.
type kind int

const (
	single kind = iota
	sentinel
	cluster
	socket
)

// schemes of the addresses.
var schemes = map[string]struct {
	kind kind
	tls  bool
	port string
}{
	"redis": {single, false, "6379"}, "rediss": {single, true, "6379"},
	"redis-sentinel": {sentinel, false, "26379"}, "rediss-sentinel": {sentinel, true, "26379"},
	"redis-cluster": {cluster, false, "6379"}, "rediss-cluster": {cluster, true, "6379"},
	"unix": {socket, false, ""},
}

// address is one that was understood.
type address struct {
	kind                           kind
	hosts                          []string
	user, password                 string
	sentinelUser, sentinelPassword string
	master                         string
	database, poolSize             int
	tls                            *tls.Config
}

// parseAddress reads what Dial describes. It cuts the address up itself: a URL has one host, and these have several.
func parseAddress(text string) (address, error) {
	name, rest, found := strings.Cut(text, "://")
	scheme, known := schemes[name]
	if !found || !known {
		return address{}, errors.New("not a Redis address; want redis://host:6379, rediss://host:6379, redis-sentinel://host,host/master," +
			" redis-cluster://host,host or unix:///path")
	}
	rest, query, _ := strings.Cut(rest, "?")
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return address{}, errors.New("the parameters of the Redis address cannot be read; want name=value&name=value")
	}
	a := address{kind: scheme.kind}
	if a.kind == socket {
		if a.hosts = []string{rest}; !strings.HasPrefix(rest, "/") {
			return address{}, errors.New("the path of the Redis socket is missing; want unix:///path/of/socket")
		}
		err := a.parameters(parameters, false)
		return a, err
	}
	hosts, path, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(hosts, '@'); i >= 0 {
		if err := a.credentials(hosts[:i]); err != nil {
			return address{}, err
		}
		hosts = hosts[i+1:]
	}
	if extra := parameters["addr"]; len(extra) > 0 && a.kind == single { // as the Redis library writes a cluster
		a.kind = cluster
		hosts = strings.Join(append([]string{hosts}, extra...), ",")
		delete(parameters, "addr")
	}
	if a.hosts, err = hostsOf(hosts, scheme.port); err != nil {
		return address{}, err
	}
	if err := a.place(path); err != nil {
		return address{}, err
	}
	err = a.parameters(parameters, scheme.tls)
	return a, err
}

// credentials reads user:password.
func (a *address) credentials(text string) (err error) {
	user, password, _ := strings.Cut(text, ":")
	if a.user, err = url.PathUnescape(user); err == nil {
		a.password, err = url.PathUnescape(password)
	}
	if err != nil {
		return errors.New("the user or password of the Redis address has a % that is none of a URL's; write %25 for %")
	}
	return nil
}

// hostsOf reads hosts that are parted by commas.
func hostsOf(text, port string) ([]string, error) {
	hosts := strings.Split(text, ",")
	for i, h := range hosts {
		host, p, err := net.SplitHostPort(h)
		if err != nil { // there is no port, or it is no host either
			host, p = strings.TrimSuffix(strings.TrimPrefix(h, "["), "]"), port
		}
		n, err := strconv.Atoi(p)
		switch {
		case strings.Contains(host, ":") && net.ParseIP(host) == nil, strings.ContainsAny(host, "@?#"):
			return nil, fmt.Errorf("host %d of the Redis address is none; want host or host:port, and hosts parted by commas", i+1)
		case host == "":
			return nil, errors.New("the Redis address lacks a host")
		case err != nil || n < 1 || n > 65535:
			return nil, fmt.Errorf("host %d of the Redis address has no port from 1 to 65535 behind its colon", i+1)
		}
		hosts[i] = net.JoinHostPort(host, p)
	}
	return hosts, nil
}

// place reads what stands behind the hosts: the master for sentinels, and the database.
func (a *address) place(path string) error {
	path = strings.TrimSuffix(path, "/")
	if a.kind == single && len(a.hosts) > 1 {
		return errors.New("the Redis address has several hosts; want redis-sentinel://host,host/master or redis-cluster://host,host")
	}
	if a.kind == sentinel {
		a.master, path, _ = strings.Cut(path, "/")
		if a.master == "" {
			return errors.New("the Redis address lacks the name of the master that the sentinels watch; want redis-sentinel://host,host/master")
		}
	}
	if path == "" {
		return nil
	}
	n, err := strconv.Atoi(path)
	switch {
	case a.kind == cluster && (err != nil || n != 0):
		return errors.New("a Redis Cluster has no databases; leave out what stands behind the hosts")
	case err != nil || n < 0:
		return errors.New("the database of the Redis address is no number, such as the 0 of redis://host:6379/0")
	}
	a.database = n
	return nil
}

// parameters reads what stands behind the question mark.
func (a *address) parameters(p url.Values, secure bool) error {
	names := []string{"sentinel-user", "sentinel-password", "pool-size", "ca", "cert", "key", "server-name"}
	for name := range p {
		if !slices.Contains(names, name) {
			return fmt.Errorf("the Redis address has a parameter %q; there are %s", name, strings.Join(names, ", "))
		}
		if !secure && slices.Contains(names[3:], name) {
			return fmt.Errorf("the parameter %s of the Redis address is for TLS; write rediss instead of redis", name)
		}
		if a.kind != sentinel && slices.Contains(names[:2], name) {
			return fmt.Errorf("the parameter %s of the Redis address is for redis-sentinel://", name)
		}
	}
	a.sentinelUser, a.sentinelPassword = p.Get("sentinel-user"), p.Get("sentinel-password")
	if text := p.Get("pool-size"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return errors.New("the parameter pool-size of the Redis address is no number above zero")
		}
		a.poolSize = n
	}
	if !secure {
		return nil
	}
	var err error
	a.tls, err = secured(p.Get("ca"), p.Get("cert"), p.Get("key"), p.Get("server-name"))
	return err
}

// secured is the TLS of an address.
func secured(ca, cert, key, name string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("the parameter ca of the Redis address: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("the parameter ca of the Redis address: %s has no certificate in PEM", ca)
		}
	}
	if (cert == "") != (key == "") {
		return nil, errors.New("the parameters cert and key of the Redis address go together")
	}
	if cert == "" {
		return c, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("the parameters cert and key of the Redis address: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}
