// What every script here begins with: who it is, how it gets a token, and how it says what went well.
import assert from 'node:assert/strict';
import { createPrivateKey, randomUUID, sign } from 'node:crypto';

// The server, and the client that is registered there with the public half of the key.
const { FHIR_BASE, CLIENT_ID, CLIENT_KEY } = process.env;
if (!FHIR_BASE || !CLIENT_ID || !CLIENT_KEY) {
  throw new Error('set FHIR_BASE, CLIENT_ID and CLIENT_KEY (a private JWK with kid and alg): see README.md');
}
export const base = FHIR_BASE;
const jwk = JSON.parse(CLIENT_KEY);

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

// assertion is a signed JWT by which the client says to the token endpoint who it is. It counts once.
export function assertion(audience, claims = {}) {
  const now = Math.floor(Date.now() / 1000);
  const said = { iss: CLIENT_ID, sub: CLIENT_ID, aud: audience, jti: randomUUID(), iat: now, exp: now + 240, ...claims };
  const text = `${encoded({ alg: jwk.alg, kid: jwk.kid, typ: 'JWT' })}.${encoded(said)}`;
  const key = { key: createPrivateKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' };
  return `${text}.${sign('sha384', Buffer.from(text), key).toString('base64url')}`;
}

// form is what a backend service sends to the token endpoint.
export function form(tokenURL, scope, claims) {
  return new URLSearchParams({
    grant_type: 'client_credentials',
    scope,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion(tokenURL, claims),
  });
}

// login is SMART Backend Services: the answer of the token endpoint, which is looked up unless it is known.
export async function login(scope, tokenURL) {
  if (!tokenURL) {
    const found = await fetch(`${base}/.well-known/smart-configuration`, { headers: { accept: 'application/json' } });
    tokenURL = (await found.json()).token_endpoint;
  }
  const answer = await fetch(tokenURL, { method: 'POST', body: form(tokenURL, scope) });
  const body = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(body));
  assert.equal(body.token_type.toLowerCase(), 'bearer');
  assert.ok(body.expires_in > 0 && body.expires_in <= 300, `expires_in ${body.expires_in}`);
  return body;
}

let done = 0;
let failed = 0;

// step does one thing, and says whether it went well. Later steps are tried all the same.
export async function step(says, act) {
  done++;
  try {
    await act();
    console.log(`ok      ${says}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${says}\n${told(error)}`);
  }
}

// told is an error with what the server answered, in the way of each client.
function told(error) {
  const answer = error?.response?.data ?? error?.outcome;
  return `${error?.stack ?? error}${answer ? `\n${JSON.stringify(answer)}` : ''}`;
}

// finish ends the script: with 0 when all went well.
export function finish() {
  console.log(`${done} steps, ${failed} failed`);
  process.exit(failed > 0 ? 1 : 0);
}

// outcome checks that a body is an OperationOutcome that says what is wrong, and gives its issues.
export function outcome(body) {
  assert.equal(body?.resourceType, 'OperationOutcome', JSON.stringify(body));
  const wrong = body.issue.filter((i) => i.severity === 'error' || i.severity === 'fatal');
  assert.ok(wrong.length > 0, 'an issue of severity error');
  for (const issue of wrong) {
    assert.ok(issue.code && (issue.details?.text || issue.diagnostics), JSON.stringify(issue));
  }
  return wrong;
}

// lines reads NDJSON.
export const lines = (text) => text.split('\n').filter(Boolean).map((line) => JSON.parse(line));

export const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

// The people and measurements of the scripts; all synthetic.
export const patient = (mrn, family, more = {}) => ({
  resourceType: 'Patient',
  identifier: [{ system: 'urn:example:mrn', value: mrn }],
  name: [{ family, given: ['Synthetic'] }],
  gender: 'female',
  birthDate: '1980-05-01',
  ...more,
});

export const heartRate = (subject, value, at, more = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] }],
  code: { coding: [{ system: 'http://loinc.org', code: '8867-4', display: 'Heart rate' }] },
  subject: { reference: subject },
  effectiveDateTime: at,
  valueQuantity: { value, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
  ...more,
});

// phq9 is an answered PHQ-9: nine answers of 0 to 3.
export function phq9(subject, authored, answers, more = {}) {
  const links = ['/44250-9', '/44255-8', '/44259-0', '/44254-1', '/44251-7', '/44258-2', '/44252-5', '/44253-3', '/44260-8'];
  const codes = ['LA6568-5', 'LA6569-3', 'LA6570-1', 'LA6571-9'];
  return {
    resourceType: 'QuestionnaireResponse',
    questionnaire: 'http://loinc.org/q/44249-1',
    status: 'completed',
    subject: { reference: subject },
    source: { reference: subject },
    authored,
    item: links.map((linkId, n) => ({ linkId, answer: [{ valueCoding: { system: 'http://loinc.org', code: codes[answers[n]] } }] })),
    ...more,
  };
}
