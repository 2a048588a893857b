// What FHIR R4, SMART Backend Services and Bulk Data say of the wire, asked for with nothing but fetch.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { base, finish, form, heartRate, lines, login, outcome, patient, pause, phq9, step } from './service.mjs';

let bearer = '';

// ask sends a request and gives its status, headers and body; a body that is no string is sent as FHIR JSON.
async function ask(method, path, { body, headers = {}, token = bearer } = {}) {
  const sent = new Headers(headers);
  if (token) {
    sent.set('authorization', `Bearer ${token}`);
  }
  if (body !== undefined && !sent.has('content-type') && !(body instanceof URLSearchParams)) {
    sent.set('content-type', 'application/fhir+json');
  }
  const text = typeof body === 'string' || body instanceof URLSearchParams ? body : JSON.stringify(body);
  const answer = await fetch(path.startsWith('http') ? path : base + path, { method, headers: sent, body: text, redirect: 'manual' });
  const raw = await answer.text();
  let json;
  try {
    json = raw && JSON.parse(raw);
  } catch {
    json = undefined;
  }
  return { status: answer.status, header: (name) => answer.headers.get(name), raw, body: json };
}

// want is ask, and checks the status; a refusal must be an OperationOutcome in FHIR JSON.
async function want(status, method, path, options) {
  const got = await ask(method, path, options);
  assert.equal(got.status, status, `${method} ${path}: ${got.status} ${got.raw}`);
  if (status >= 400) {
    assert.equal(got.header('content-type'), 'application/fhir+json; charset=utf-8', `${method} ${path}`);
    outcome(got.body);
  }
  return got;
}

const prefer = (...words) => ({ Prefer: words.join(', ') });
const link = (bundle, relation) => bundle.link.find((l) => l.relation === relation)?.url;
const ids = (bundle) => (bundle.entry ?? []).filter((e) => e.search.mode === 'match').map((e) => e.resource.id);

await step('open to all: metadata and smart-configuration; closed: the rest', async () => {
  const statement = (await want(200, 'GET', '/metadata')).body;
  assert.equal(statement.kind, 'instance');
  assert.ok(statement.implementation.description && statement.date && statement.status);
  assert.ok(statement.format.includes('json') && statement.patchFormat.includes('application/json-patch+json'));
  const { security, resource } = statement.rest[0];
  assert.equal(security.service[0].coding[0].code, 'SMART-on-FHIR');
  const names = resource.map((r) => r.type);
  assert.equal(new Set(names).size, names.length);
  for (const r of resource) {
    const params = (r.searchParam ?? []).map((p) => p.name);
    assert.equal(new Set(params).size, params.length, r.type);
    assert.ok((r.operation ?? []).every((o) => !o.name.startsWith('$') && o.definition), r.type);
  }
  const smart = await want(200, 'GET', '/.well-known/smart-configuration', { headers: { accept: 'application/fhir+json' } });
  assert.equal(smart.header('content-type').split(';')[0], 'application/json');
  assert.ok(smart.body.grant_types_supported.includes('client_credentials'));
  assert.ok(smart.body.token_endpoint_auth_methods_supported.includes('private_key_jwt'));
  for (const capability of ['client-confidential-asymmetric', 'permission-v1', 'permission-v2']) {
    assert.ok(smart.body.capabilities.includes(capability));
  }
  for (const algorithm of ['RS384', 'ES384']) {
    assert.ok(smart.body.token_endpoint_auth_signing_alg_values_supported.includes(algorithm));
  }
  for (const [method, path] of [['GET', '/Patient'], ['GET', '/Patient/x'], ['POST', ''], ['GET', '/$export'], ['DELETE', '/Patient/x'], ['GET', '/AuditEvent']]) {
    for (const token of ['', 'nonsense']) {
      const refused = await want(401, method, path, { token, body: method === 'POST' ? {} : undefined });
      assert.match(refused.header('www-authenticate'), /^Bearer/);
    }
  }
});

await step('the token endpoint: what it gives, and what it refuses', async () => {
  const { token_endpoint: at } = (await ask('GET', '/.well-known/smart-configuration')).body;
  const token = (body) => ask('POST', at, { body });
  const good = await token(form(at, 'system/*.cruds'));
  assert.equal(good.status, 200);
  assert.equal(good.header('cache-control'), 'no-store');
  assert.equal(good.body.refresh_token, undefined);
  assert.equal(good.body.scope, 'system/*.cruds');
  bearer = good.body.access_token;
  for (const scope of ['system/*.read', 'system/Observation.rs', 'system/Patient.cruds system/Observation.read', 'system/Observation.rs?category=vital-signs']) {
    assert.equal((await token(form(at, scope))).status, 200, scope);
  }
  const now = Math.floor(Date.now() / 1000);
  const other = (name, value) => {
    const f = form(at, 'system/*.rs');
    f.set(name, value);
    return f;
  };
  const used = form(at, 'system/*.rs');
  assert.equal((await token(used)).status, 200);
  for (const [says, sent, status, code] of [
    ['another grant type', other('grant_type', 'password'), [400], 'unsupported_grant_type'],
    ['an unknown scope', form(at, 'system/Nothing'), [400], 'invalid_scope'],
    ['letters out of order', form(at, 'system/Patient.sr'), [400], 'invalid_scope'],
    ['an assertion that was used', used, [400, 401], 'invalid_client'],
    ['another audience', form(at, 'system/*.rs', { aud: 'https://elsewhere.example/token' }), [400, 401], 'invalid_client'],
    ['an assertion that lasts too long', form(at, 'system/*.rs', { exp: now + 3600 }), [400, 401], 'invalid_client'],
    ['one that has expired', form(at, 'system/*.rs', { exp: now - 3600 }), [400, 401], 'invalid_client'],
    ['another subject', form(at, 'system/*.rs', { sub: 'another' }), [400, 401], 'invalid_client'],
    ['no JWT', other('client_assertion', 'nonsense'), [400, 401], 'invalid_client'],
  ]) {
    const refused = await token(sent);
    assert.ok(status.includes(refused.status), `${says}: ${refused.status}`);
    assert.equal(refused.body.error, code, says);
  }
});

await step('a scope is a limit, also by its query', async () => {
  const { access_token: token } = await login('system/Observation.rs?code=8867-4');
  await want(403, 'GET', '/Patient', { token });
  await want(403, 'POST', '/Observation', { token, body: heartRate('Patient/x', 1, '2026-01-01') });
  assert.equal((await want(200, 'GET', '/Observation', { token })).body.total, 0);
});

const who = patient('wire-1', 'Wire');
let id;

await step('create: Location, ETag, Last-Modified; Prefer says what comes back', async () => {
  const made = await want(201, 'POST', '/Patient', { body: who });
  id = made.body.id;
  assert.equal(made.header('location'), `${base}/Patient/${id}/_history/1`);
  assert.equal(made.header('etag'), 'W/"1"');
  assert.ok(Math.abs(Date.parse(made.header('last-modified')) - Date.now()) < 60_000);
  assert.equal(made.header('content-type'), 'application/fhir+json; charset=utf-8');
  const send = (n, headers) => want(201, 'POST', '/Observation', { body: heartRate(`Patient/${id}`, n, '2026-01-01'), headers });
  const minimal = await send(1, prefer('return=minimal'));
  assert.equal(minimal.raw, '');
  assert.ok(minimal.header('location') && minimal.header('etag'));
  assert.equal((await send(2, prefer('return=representation'))).body.resourceType, 'Observation');
  assert.equal((await send(3, prefer('return=OperationOutcome'))).body.resourceType, 'OperationOutcome');
  assert.equal((await send(4, prefer('return=presentation', 'wait=10'))).body.resourceType, 'Observation');
  assert.equal((await send(5, prefer('handling=strict; return="minimal"'))).raw, '');
});

await step('content types of a body', async () => {
  for (const type of ['application/fhir+json; charset=UTF-8', 'application/json', 'text/json', 'application/json+fhir; fhirVersion=4.0', 'application/fhir+json;fhirVersion=4.0']) {
    await want(200, 'PUT', `/Patient/${id}`, { body: { ...who, id }, headers: { 'content-type': type } });
  }
  for (const type of ['application/fhir+xml', 'text/plain', 'application/x-www-form-urlencoded', 'application/fhir+json; fhirVersion=5.0']) {
    await want(415, 'PUT', `/Patient/${id}`, { body: { ...who, id }, headers: { 'content-type': type } });
  }
});

await step('content types of an answer: Accept and _format', async () => {
  for (const accept of ['application/fhir+json', 'application/json', 'application/json+fhir', 'text/json', '*/*', 'application/fhir+xml;q=0.9, */*; q=0.1', 'application/fhir+json; fhirVersion=4.0']) {
    const read = await want(200, 'GET', `/Patient/${id}`, { headers: { accept } });
    assert.equal(read.header('content-type'), 'application/fhir+json; charset=utf-8');
  }
  for (const accept of ['application/fhir+xml', 'text/html', 'text/turtle', 'application/xml']) {
    await want(406, 'GET', `/Patient/${id}`, { headers: { accept } });
  }
  for (const format of ['json', 'application/json', 'application/fhir%2Bjson', 'application/fhir+json', 'text/json']) {
    await want(200, 'GET', `/Patient/${id}?_format=${format}`, { headers: { accept: 'application/fhir+xml' } });
  }
  await want(406, 'GET', `/Patient/${id}?_format=xml`);
  await want(406, 'GET', '/Patient?_format=application/fhir%2Bxml');
});

await step('what is refused, and how', async () => {
  await want(404, 'GET', '/Patient/nobody');
  await want(404, 'GET', `/Patient/${id}/_history/99`);
  await want(404, 'GET', `/Patient/${id}/_history/x`);
  await want(404, 'GET', '/no/such/place/here');
  await want(404, 'GET', '/Nonsense');
  await want(404, 'GET', '/Nonsense/1');
  await want(404, 'GET', `/Patient/${id}/$nonsense`);
  for (const [method, path] of [['DELETE', '/metadata'], ['PUT', '/'], ['POST', `/Patient/${id}`], ['PATCH', '/AuditEvent/1'], ['PUT', '/AuditEvent/1'], ['DELETE', '/AuditEvent/1'], ['POST', '/AuditEvent'], ['PATCH', '/Subscription/1'], ['POST', '/metadata'], ['DELETE', `/Patient/${id}/_history/1`]]) {
    const refused = await want(405, method, path, { body: method === 'DELETE' ? undefined : {} });
    assert.ok(refused.header('allow'), `${method} ${path}`);
  }
  await want(400, 'POST', '/Patient', { body: '{"resourceType":' });
  await want(400, 'POST', '/Patient', { body: '' });
  await want(400, 'POST', '/Patient', { body: '[]' });
  await want(400, 'POST', '/Patient', { body: { resourceType: 'Observation' } });
  await want(400, 'POST', '/Patient', { body: '{"resourceType":"Patient","gender":"male","gender":"female"}' });
  await want(400, 'POST', '/Patient', { body: { resourceType: 'Patient', gender: null } });
  await want(400, 'POST', '/Patient', { body: { resourceType: 'Patient', name: [] } });
  await want(400, 'POST', '/Patient', { body: { resourceType: 'Patient', id: 'not an id' } });
  await want(400, 'PUT', `/Patient/${id}`, { body: { ...who, id: 'another' } });
  await want(400, 'PUT', `/Patient/${id}`, { body: who });
  const wrong = await ask('POST', '/Observation', { body: { ...heartRate(`Patient/${id}`, 1, '2026-01-01'), status: 'funny' } });
  assert.ok([400, 422].includes(wrong.status));
  assert.ok(outcome(wrong.body).some((i) => i.expression?.[0] === 'Observation.status'));
});

await step('reading: 304, HEAD, versions', async () => {
  const read = await want(200, 'GET', `/Patient/${id}`);
  const [tag, at] = [read.header('etag'), read.header('last-modified')];
  for (const headers of [{ 'If-None-Match': tag }, { 'If-None-Match': `W/"77", ${tag}` }, { 'If-Modified-Since': at }]) {
    const same = await want(304, 'GET', `/Patient/${id}`, { headers });
    assert.equal(same.raw, '');
    assert.equal(same.header('etag'), tag);
  }
  await want(200, 'GET', `/Patient/${id}`, { headers: { 'If-None-Match': 'W/"77"' } });
  await want(200, 'GET', `/Patient/${id}`, { headers: { 'If-Modified-Since': 'Mon, 01 Jan 2024 00:00:00 GMT' } });
  const head = await want(200, 'HEAD', `/Patient/${id}`);
  assert.deepEqual([head.raw, head.header('etag'), head.header('content-length')], ['', tag, String(Buffer.byteLength(read.raw))]);
  assert.equal((await ask('HEAD', '/Patient/nobody')).status, 404);
  assert.equal((await want(200, 'GET', `/Patient/${id}/_history/${read.body.meta.versionId}`)).raw, read.raw);
  const part = await want(200, 'GET', `/Patient/${id}?_elements=gender`);
  assert.equal(part.body.name, undefined);
  assert.ok(part.body.gender && part.body.meta.tag.some((t) => t.code === 'SUBSETTED'));
});

await step('what was sent comes back as it was written', async () => {
  const text = `{"resourceType":"Observation","status":"final","code":{"text":"é<&>\\u00e9"},"subject":{"reference":"Patient/${id}"},"effectiveDateTime":"2026-01-01","_status":{"extension":[{"url":"urn:x","valueDecimal":1.10}]},"valueQuantity":{"value":1.00,"unit":"x"},"component":[{"code":{"text":"c"},"valueQuantity":{"value":1e-245}}]}`;
  const made = await want(201, 'POST', '/Observation', { body: text });
  const { raw } = await want(200, 'GET', `/Observation/${made.body.id}`);
  for (const piece of ['"value":1.00', '"value":1e-245', '"valueDecimal":1.10', '"_status"']) {
    assert.ok(raw.includes(piece), piece);
  }
  assert.equal(JSON.parse(raw).code.text, 'é<&>é');
});

await step('conditions: If-Match, If-None-Match, If-None-Exist', async () => {
  const body = (birthDate) => ({ ...who, id, birthDate });
  const { version } = { version: Number((await ask('GET', `/Patient/${id}`)).body.meta.versionId) };
  await want(412, 'PUT', `/Patient/${id}`, { body: body('1970-01-01'), headers: { 'If-Match': `W/"${version + 1}"` } });
  await want(400, 'PUT', `/Patient/${id}`, { body: body('1970-01-01'), headers: { 'If-Match': 'nonsense' } });
  await want(200, 'PUT', `/Patient/${id}`, { body: body('1970-01-01'), headers: { 'If-Match': `"${version}"` } });
  await want(200, 'PUT', `/Patient/${id}`, { body: body('1970-01-02'), headers: { 'If-Match': `W/"${version}", W/"${version + 1}"` } });
  await want(412, 'PUT', `/Patient/${id}`, { body: body('1970-01-03'), headers: { 'If-None-Match': '*' } });
  await want(201, 'PUT', '/Patient/wire-new', { body: { ...patient('wire-new', 'New'), id: 'wire-new' }, headers: { 'If-None-Match': '*' } });
  await want(412, 'PUT', '/Patient/wire-newer', { body: { ...patient('wire-newer', 'Newer'), id: 'wire-newer' }, headers: { 'If-Match': 'W/"1"' } });
  await want(412, 'DELETE', '/Patient/wire-new', { headers: { 'If-Match': 'W/"9"' } });
  const headers = { 'If-None-Exist': 'identifier=urn:example:mrn|wire-2' };
  const first = await want(201, 'POST', '/Patient', { body: patient('wire-2', 'Two'), headers });
  const again = await want(200, 'POST', '/Patient', { body: patient('wire-2', 'Another'), headers });
  assert.equal(again.raw, first.raw);
  assert.equal(again.header('etag'), 'W/"1"');
  await want(412, 'POST', '/Patient', { body: patient('wire-3', 'Three'), headers: { 'If-None-Exist': 'gender=female' } });
  await want(400, 'POST', '/Patient', { body: patient('wire-3', 'Three'), headers: { 'If-None-Exist': 'nonsense=1' } });
});

await step('fifty conditional creates at once make one', async () => {
  const headers = { 'If-None-Exist': 'identifier=urn:example:mrn|wire-50' };
  const all = await Promise.all(Array.from({ length: 50 }, () => ask('POST', '/Patient', { body: patient('wire-50', 'Fifty'), headers })));
  assert.equal(all.filter((a) => a.status === 201).length, 1);
  assert.equal(all.filter((a) => a.status === 200).length, 49);
  assert.equal(new Set(all.map((a) => a.body.id)).size, 1);
});

await step('conditional update, patch and delete', async () => {
  const at = '/Patient?identifier=urn:example:mrn%7Cwire-4';
  await want(201, 'PUT', at, { body: patient('wire-4', 'Four') });
  await want(200, 'PUT', at, { body: patient('wire-4', 'Fourth') });
  const patch = { 'content-type': 'application/json-patch+json' };
  assert.equal((await want(200, 'PATCH', at, { body: [{ op: 'add', path: '/active', value: true }], headers: patch })).body.active, true);
  await want(412, 'PUT', '/Patient?gender=female', { body: patient('wire-5', 'Five') });
  await want(412, 'PATCH', '/Patient?gender=female', { body: [{ op: 'add', path: '/active', value: true }], headers: patch });
  await want(412, 'DELETE', '/Patient?gender=female');
  await want(204, 'DELETE', at);
  await want(204, 'DELETE', at);
  assert.equal((await want(200, 'GET', at)).body.total, 0);
});

await step('patch: its content types, and what it may not do', async () => {
  const send = (status, body, type = 'application/json-patch+json', more = {}) =>
    want(status, 'PATCH', `/Patient/${id}`, { body, headers: { 'content-type': type, ...more } });
  const set = (value) => [{ op: 'replace', path: '/gender', value }];
  assert.equal((await send(200, set('other'))).body.gender, 'other');
  assert.equal((await send(200, set('male'), 'application/json-patch+json; charset=UTF-8')).body.gender, 'male');
  assert.equal((await send(200, set('unknown'), undefined, prefer('return=minimal'))).raw, '');
  for (const type of ['application/fhir+json', 'application/merge-patch+json', 'application/json', 'application/xml-patch+xml']) {
    await send(415, set('other'), type);
  }
  await send(400, '{"op"');
  await send(400, { op: 'replace', path: '/gender', value: 'other' });
  await send(400, [{ op: 'dance', path: '/gender' }]);
  await send(422, [{ op: 'test', path: '/gender', value: 'female' }]);
  await send(422, [{ op: 'remove', path: '/nowhere' }]);
  await send(422, [{ op: 'replace', path: '/id', value: 'another' }]);
  await send(422, set(7));
  await send(412, set('other'), undefined, { 'If-Match': 'W/"1"' });
});

await step('delete: 204, 204, 410', async () => {
  await want(204, 'DELETE', '/Patient/wire-new');
  await want(204, 'DELETE', '/Patient/wire-new');
  await want(204, 'DELETE', '/Patient/never-was');
  await want(410, 'GET', '/Patient/wire-new');
  await want(200, 'GET', '/Patient/wire-new/_history/1');
  await want(410, 'GET', '/Patient/wire-new/_history/2');
  const history = (await want(200, 'GET', '/Patient/wire-new/_history')).body;
  assert.deepEqual(history.entry.map((e) => e.request.method), ['DELETE', 'POST']);
  assert.equal(history.entry[0].resource, undefined);
  assert.equal(history.total, 2);
});

let subject;
await step('transaction and batch at [base] and [base]/; other Bundles 400', async () => {
  const person = `urn:uuid:${randomUUID()}`;
  const entry = [{ fullUrl: person, resource: patient('wire-6', 'Six'), request: { method: 'POST', url: 'Patient' } }];
  for (let n = 0; n < 25; n++) {
    const day = String(1 + n).padStart(2, '0');
    entry.push({ resource: heartRate(person, 60 + n, `2026-03-${day}`), request: { method: 'POST', url: 'Observation' } });
  }
  const done = await want(200, 'POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry } });
  assert.equal(done.body.type, 'transaction-response');
  for (const { response } of done.body.entry) {
    assert.match(response.status, /^201/);
    assert.ok(response.location && response.etag && response.lastModified);
  }
  subject = done.body.entry[0].response.location.match(/Patient\/([^/]+)/)[1];
  await want(200, 'POST', '/', { body: { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: `Patient/${subject}` } }] } });
  for (const type of ['collection', 'searchset', 'nonsense']) {
    await want(400, 'POST', '', { body: { resourceType: 'Bundle', type } });
  }
  const twice = { resource: { ...who, id }, request: { method: 'PUT', url: `Patient/${id}` } };
  await want(400, 'POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry: [twice, structuredClone(twice)] } });
  const total = async () => (await ask('GET', `/Observation?patient=${subject}&_summary=count`)).body.total;
  const before = await total();
  const bad = [{ resource: heartRate(`Patient/${subject}`, 1, '2026-01-01'), request: { method: 'POST', url: 'Observation' } }, { resource: { resourceType: 'Observation' }, request: { method: 'POST', url: 'Observation' } }];
  const refused = await ask('POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry: bad } });
  assert.ok(refused.status >= 400 && refused.status < 500);
  outcome(refused.body);
  await want(412, 'POST', '', {
    body: { resourceType: 'Bundle', type: 'transaction', entry: [{ resource: heartRate('Patient?identifier=urn:example:mrn|nobody', 1, '2026-01-01'), request: { method: 'POST', url: 'Observation' } }] },
  });
  assert.equal(await total(), before);
});

await step('search: total, self, _count=0, _summary, _elements, _total', async () => {
  const find = async (query, headers) => (await want(200, 'GET', `/Observation?patient=${subject}${query}`, { headers })).body;
  const all = await find('&_count=5&code=8867-4');
  assert.equal(all.type, 'searchset');
  assert.equal(all.total, 25);
  assert.ok(link(all, 'self').startsWith(`${base}/Observation?`) && link(all, 'self').includes('patient='));
  for (const query of ['&_count=0', '&_summary=count']) {
    const none = await find(query);
    assert.deepEqual([none.total, none.entry, link(none, 'next')], [25, undefined, undefined], query);
  }
  for (const [query, gone, kept] of [['&_summary=true', 'nothing', 'valueQuantity'], ['&_summary=text', 'valueQuantity', 'code'], ['&_elements=effectiveDateTime,value', 'subject', 'effectiveDateTime']]) {
    const { resource } = (await find(`${query}&_count=1`)).entry[0];
    assert.equal(resource[gone], undefined, query);
    assert.ok(resource[kept] && resource.status, query);
    assert.ok(resource.meta.tag.some((t) => t.system.endsWith('v3-ObservationValue') && t.code === 'SUBSETTED'), query);
  }
  assert.equal((await find('&_summary=false&_count=1')).entry[0].resource.meta.tag, undefined);
  assert.equal((await find('&_total=none&_count=1')).total, undefined);
  assert.equal((await find('&_total=accurate&_count=1')).total, 25);
  for (const query of ['_count=-1', '_count=x', '_summary=maybe', '_total=roughly', 'date=yesterday', '_lastUpdated=x', 'code:nonsense=1']) {
    await want(400, 'GET', `/Observation?patient=${subject}&${query}`);
  }
});

await step('search: what is not known is left out of self, warned of, or refused when strict', async () => {
  const { body } = await want(200, 'GET', `/Observation?patient=${subject}&favourite=1&_count=2`);
  assert.ok(!link(body, 'self').includes('favourite'));
  assert.equal(body.total, 25);
  assert.ok(body.entry.some((e) => e.search.mode === 'outcome' && e.resource.resourceType === 'OperationOutcome'));
  await want(200, 'GET', `/Observation?patient=${subject}&favourite=1`, { headers: prefer('handling=lenient') });
  await want(400, 'GET', `/Observation?patient=${subject}&favourite=1`, { headers: prefer('handling=strict') });
});

await step('search: dates, tokens, references, quantities, AND and OR', async () => {
  for (const [query, n] of [
    ['date=2026-03-05', 1], ['date=2026-03', 25], ['date=ge2026-03-20', 6], ['date=gt2026-03-20', 5], ['date=lt2026-03-03', 2], ['date=le2026-03-03', 3],
    ['date=ne2026-03-05', 24], ['date=sa2026-03-20', 5], ['date=eb2026-03-03', 2], ['date=ge2026-03-05&date=le2026-03-07', 3], ['date=2026-03-05,2026-03-06', 2],
    ['code=8867-4', 25], ['code=http://loinc.org|8867-4', 25], ['code=http%3A%2F%2Floinc.org%7C8867-4', 25], ['code=|8867-4', 0], ['code=http://loinc.org|', 25],
    ['code=1-1,8867-4', 25], ['code:not=8867-4', 0], ['status=final', 25], ['category=vital-signs', 25], ['category:missing=true', 0],
    [`subject=Patient/${subject}`, 25], [`subject=${base}/Patient/${subject}`, 25], [`subject:Patient=${subject}`, 25],
    ['subject.identifier=urn:example:mrn|wire-6', 25], ['patient.family=six', 25], ['patient:identifier=urn:example:mrn|wire-6', 25],
    ['value-quantity=gt80', 4], ['value-quantity=70|http://unitsofmeasure.org|/min', 1], ['value-quantity=70||/min', 1],
    ['code-value-quantity=http://loinc.org|8867-4$gt80', 4], ['_lastUpdated=ge2026-01-01', 25], ['_lastUpdated=lt2026-01-01', 0],
  ]) {
    const { body } = await want(200, 'GET', `/Observation?patient=${subject}&${query}`, { headers: prefer('handling=strict') });
    assert.equal(body.total, n, query);
  }
  for (const [query, n] of [['family=SIX', 1], ['family=si', 1], ['family:exact=six', 0], ['family:contains=ix', 1], ['name=Synthetic&family=six', 1], ['birthdate=1980-05-01&family=six', 1]]) {
    assert.equal((await want(200, 'GET', `/Patient?${query}`)).body.total, n, query);
  }
  assert.equal((await want(200, 'GET', `/Patient?_has:Observation:patient:code=8867-4&_id=${subject}`)).body.total, 1);
});

await step('search: _sort, pages that neither lose nor repeat while others write, next with another _count', async () => {
  const query = `/Observation?patient=${subject}&code=8867-4&_sort=-date&_count=7`;
  const expected = Array.from({ length: 25 }, (_, n) => 84 - n);
  const found = [];
  let page = (await want(200, 'GET', query)).body;
  for (let n = 0; ; n++) {
    found.push(...page.entry.map((e) => e.resource.valueQuantity.value));
    await want(201, 'POST', '/Observation', { body: heartRate(`Patient/${subject}`, 200 + n, `2026-02-0${1 + n}`) });
    await want(201, 'POST', '/Observation', { body: heartRate(`Patient/${subject}`, 300 + n, `2026-04-0${1 + n}`) });
    const next = link(page, 'next');
    if (!next) {
      break;
    }
    page = (await want(200, 'GET', next)).body;
    assert.equal(page.total, 25);
  }
  assert.deepEqual(found, expected);
  const first = (await want(200, 'GET', `${query}&date=2026-03`)).body;
  const rest = (await want(200, 'GET', `${link(first, 'next')}&_count=1000`)).body;
  assert.ok(rest.entry.length > 0);
  assert.equal(new Set([...ids(first), ...ids(rest)]).size, first.entry.length + rest.entry.length);
  const rising = (await want(200, 'GET', `/Observation?patient=${subject}&date=2026-03&_sort=value-quantity,-date`)).body;
  assert.deepEqual(rising.entry.map((e) => e.resource.valueQuantity.value), [...expected].reverse());
});

await step('search by POST is search by GET; so is a compartment', async () => {
  const query = 'code=http://loinc.org|8867-4&date=2026-03&_sort=date';
  const plain = (await want(200, 'GET', `/Observation?patient=${subject}&${query}`)).body;
  const byForm = (await want(200, 'POST', '/Observation/_search', { body: new URLSearchParams(`patient=${subject}&${query}`) })).body;
  const mixed = (await want(200, 'POST', `/Observation/_search?patient=${subject}`, { body: new URLSearchParams(query) })).body;
  const within = (await want(200, 'GET', `/Patient/${subject}/Observation?${query}`)).body;
  for (const other of [byForm, mixed, within]) {
    assert.deepEqual(ids(other), ids(plain));
  }
  await want(415, 'POST', '/Observation/_search', { body: '{}' });
});

await step('_include and _revinclude', async () => {
  const form = (await want(201, 'POST', '/QuestionnaireResponse', { body: phq9(`Patient/${subject}`, new Date().toISOString(), [3, 3, 3, 3, 3, 3, 3, 2, 1]) })).body;
  const { body } = await want(200, 'GET', `/Observation?patient=${subject}&code=44261-6&_include=Observation:patient&_include=Observation:derived-from&_revinclude=Provenance:target`);
  const included = body.entry.filter((e) => e.search.mode === 'include').map((e) => e.resource.resourceType).sort();
  assert.deepEqual(included, ['Patient', 'Provenance', 'QuestionnaireResponse']);
  assert.equal(body.total, 1);
  assert.equal(body.entry[0].resource.valueInteger, 24);
  assert.equal((await want(200, 'GET', `/Observation?patient=${subject}&code-value-quantity=http://loinc.org|44261-6$gt9`)).body.total, 1);
  const issues = (await want(200, 'GET', `/DetectedIssue?patient=${subject}`)).body;
  assert.ok(issues.total > 0);
  await want(405, 'PUT', `/DetectedIssue/${issues.entry[0].resource.id}`, { body: issues.entry[0].resource });
  await want(200, 'GET', `/QuestionnaireResponse/${form.id}`);
});

await step('history: newest first, by pages, since', async () => {
  const history = (await want(200, 'GET', `/Patient/${id}/_history?_count=2`)).body;
  assert.equal(history.type, 'history');
  const versions = history.entry.map((e) => Number(e.resource.meta.versionId));
  assert.deepEqual(versions, [...versions].sort((a, b) => b - a));
  assert.equal(versions.length, 2);
  assert.ok(history.entry.every((e) => e.fullUrl === `${base}/Patient/${id}` && e.request.url && e.response.etag));
  assert.ok((await want(200, 'GET', link(history, 'next'))).body.entry.length > 0);
  assert.equal((await want(200, 'GET', `/Patient/${id}/_history?_since=2999-01-01T00:00:00Z`)).body.entry, undefined);
  await want(200, 'GET', '/Patient/_history?_count=1');
  await want(200, 'GET', '/_history?_count=1');
  await want(404, 'GET', '/Patient/nobody/_history');
});

await step('bulk: by GET and POST, with and without Prefer; _since, _type, _elements; refusals', async () => {
  async function exported(method, path, options) {
    const asked = await want(202, method, path, options);
    const at = asked.header('content-location');
    assert.ok(at.startsWith('http'));
    for (;;) {
      const got = await ask('GET', at);
      assert.ok([200, 202].includes(got.status), `${got.status} ${got.raw}`);
      if (got.status === 200) {
        assert.equal(got.header('content-type').split(';')[0], 'application/json');
        assert.ok(got.header('expires'));
        for (const list of ['output', 'deleted', 'error']) {
          assert.ok(Array.isArray(got.body[list]), list);
        }
        return { ...got.body, at };
      }
      await pause(0.2);
    }
  }
  const contents = async (manifest, type) => {
    const out = [];
    for (const file of manifest.output.filter((f) => f.type === type)) {
      out.push(...lines((await want(200, 'GET', file.url, { headers: { accept: 'application/fhir+ndjson' } })).raw));
    }
    return out;
  };
  const first = await exported('GET', '/$export?_type=Patient,Observation', { headers: prefer('respond-async') });
  assert.ok((await contents(first, 'Observation')).some((o) => o.subject.reference === `Patient/${subject}`));
  assert.equal((await contents(first, 'Patient')).find((p) => p.id === subject).name[0].family, 'Six');
  await want(200, 'PUT', `/Patient/${subject}`, { body: { ...patient('wire-6', 'Changed'), id: subject } });
  const parameters = { resourceType: 'Parameters', parameter: [{ name: '_since', valueInstant: first.transactionTime }, { name: '_type', valueString: 'Patient' }] };
  const since = await exported('POST', '/$export', { body: parameters });
  assert.deepEqual((await contents(since, 'Patient')).map((p) => p.name[0].family), ['Changed']);
  const some = await exported('POST', '/Patient/$export?_type=Patient&_elements=gender', { headers: prefer('respond-async') });
  assert.ok((await contents(some, 'Patient')).every((p) => p.name === undefined && p.meta.tag.some((t) => t.code === 'SUBSETTED')));
  await want(401, 'GET', first.output[0].url, { token: 'nonsense' });
  await want(400, 'GET', '/$export?_type=Nonsense');
  await want(400, 'GET', '/$export?_since=yesterday');
  await want(400, 'GET', '/$export?_outputFormat=text/csv');
  await want(404, 'GET', '/Group/nobody/$export');
  for (const { at } of [first, since, some]) {
    assert.equal((await ask('DELETE', at)).status, 202);
    await want(404, 'GET', at);
  }
});

await step('what was done is in the audit', async () => {
  const { body } = await want(200, 'GET', `/AuditEvent?patient=Patient/${subject}`);
  assert.equal(body.type, 'searchset');
  assert.ok(body.entry.length > 0 && body.entry.every((e) => e.search.mode !== 'match' || e.resource.resourceType === 'AuditEvent'));
});

finish();
