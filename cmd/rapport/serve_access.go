package main

import (
	"slices"

	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/server"
)

// accessFlags say who is let in, and how much at once.
type accessFlags struct {
	Clients        bool     `help:"Give out tokens to registered systems; see 'rapport clients'."`
	JWKSPrivate    bool     `name:"jwks-private" help:"Fetch the keys of registered systems from private addresses and over plain http too."`
	ClientCA       string   `name:"client-ca" placeholder:"FILE" help:"PEM authorities: systems that show a certificate of theirs come in by its name."`
	Issuer         string   `placeholder:"URL" help:"OpenID issuer whose tokens are taken."`
	Audience       string   `placeholder:"NAME" help:"What tokens of the issuer must be for."`
	TenantClaim    string   `name:"tenant-claim" default:"tenant" placeholder:"CLAIM" help:"Claim of the issuer's tokens that names the tenant (${default})."`
	IssuerTenants  []string `name:"issuer-tenants" placeholder:"NAME,..." help:"Tenants that the claim may name; any, without it."`
	PersonClaim    string   `name:"person-claim" default:"fhirUser" placeholder:"CLAIM" help:"Claim that names the person (${default})."`
	RoleClaim      string   `name:"role-claim" default:"role" placeholder:"CLAIM" help:"Claim that names the role (${default})."`
	ScopeClaim     string   `name:"scope-claim" default:"scope" placeholder:"CLAIM" help:"Claim that holds the scopes (${default})."`
	ConsentFor     []string `name:"consent-for" placeholder:"PURPOSE,..." help:"Purposes of use for which a patient's consent is needed although they need none by default, such as HQUALIMP."`
	CarePartners   bool     `name:"care-partners" help:"Let care partners see what no consent speaks of."`
	RequestRate    float64  `name:"rate" default:"1000" placeholder:"N" help:"Requests per second of each client; 0 sets no limit (${default})."`
	AuditFile      string   `name:"audit-file" placeholder:"FILE" help:"Append every audit record to this file as a line of JSON."`
	AuditStreaming bool     `name:"audit-stream" help:"Send every audit record to Redis, as the stream rapport:{TENANT/audit}."`
}

// access is what the flags change.
func (f accessFlags) access(a server.Access) server.Access {
	a.Registered, a.PrivateKeys, a.ClientCA = f.Clients, f.JWKSPrivate, f.ClientCA
	a.AuditFile, a.AuditStream = f.AuditFile, f.AuditStreaming
	a.Rate = auth.Rate{PerSecond: f.RequestRate, Burst: max(2*f.RequestRate, 1)}
	a.Policy.CarePartners = f.CarePartners
	kept := a.Policy.Purposes[:0]
	for _, p := range a.Policy.Purposes {
		if !slices.Contains(f.ConsentFor, p) {
			kept = append(kept, p)
		}
	}
	a.Policy.Purposes = kept
	if f.Issuer != "" {
		a.Issuer = auth.DefaultExternal()
		a.Issuer.Issuer, a.Issuer.Audience, a.Issuer.Tenant = f.Issuer, f.Audience, f.TenantClaim
		a.Issuer.Person, a.Issuer.Role, a.Issuer.Scope = f.PersonClaim, f.RoleClaim, f.ScopeClaim
		for _, t := range f.IssuerTenants {
			a.Issuer.Tenants = append(a.Issuer.Tenants, ref.Tenant(t))
		}
	}
	return a
}
