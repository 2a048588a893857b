package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
)

// cdsPrefix is below which CDS clients call.
const cdsPrefix = "/cds-services"

// CDSClient is who signed the JWT that a CDS client sends with each call of a hook (CDS Hooks 2.0, Trusting CDS Clients): a
// registered client, as its issuer, for the URL that is called, in the next five minutes, and once. It has what is registered
// for it. Ours is false for everything else, such as an access token. Errors: Unauthenticated, Unavailable.
func (t *TokenEndpoint) CDSClient(r *http.Request, authorization string) (p access.Principal, ours bool, err error) {
	if !strings.HasPrefix(r.URL.Path, cdsPrefix+"/") {
		return p, false, nil
	}
	text, err := bearer(authorization)
	if err != nil || len(text) > maxToken {
		return p, false, nil //nolint:nilerr // whoever knows tokens says what is wrong with it
	}
	parsed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS384, jose.ES384})
	if err != nil || len(parsed.Headers) != 1 {
		return p, false, nil //nolint:nilerr // as above
	}
	var said jwt.Claims
	if parsed.UnsafeClaimsWithoutVerification(&said) != nil {
		return p, false, nil
	}
	client, ok := t.Clients.Client(said.Issuer)
	if !ok || said.Issuer == "" {
		return p, false, nil
	}
	base := t.Base(r)
	if err := t.cdsSigned(r.Context(), parsed, client, said, []string{base + r.URL.Path, base + cdsPrefix}); err != nil {
		return p, true, err
	}
	p = client.Principal(client.Allowed())
	p.Token = said.ID
	return p, true, nil
}

// cdsSigned says in the words of the door what is wrong with a JWT.
func (t *TokenEndpoint) cdsSigned(ctx context.Context, parsed *jwt.JSONWebToken, client access.Client, said jwt.Claims, audiences []string) error {
	err := badClient("the JWT names no kid")
	if parsed.Headers[0].KeyID != "" {
		err = t.signed(ctx, parsed, client, audiences)
	}
	if err == nil && said.Subject != "" && said.Subject != said.Issuer {
		err = badClient("sub is not iss")
	}
	if refusal, ok := errors.AsType[*refusal](err); ok {
		return fault.Newf(fault.Unauthenticated, "login", "%s", strings.ReplaceAll(refusal.words, "assertion", "JWT"))
	}
	return err
}
