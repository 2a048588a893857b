// MedplumClient of @medplum/core 5.2.13, unmodified, with a token of SMART Backend Services.
import assert from 'node:assert/strict';
import { base, finish, heartRate, lines, login, patient, phq9, step } from './service.mjs';

globalThis.WebSocket ??= class {}; // which the library wants to see when it is loaded
const { MedplumClient, OperationOutcomeError } = await import('@medplum/core');

const { origin, pathname } = new URL(base);
const medplum = new MedplumClient({ baseUrl: `${origin}/`, fhirUrlPath: pathname, fetch, cacheTime: 0 });

// refused wants an OperationOutcome of one of the codes.
async function refused(call, ...codes) {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof OperationOutcomeError, String(error));
    assert.ok(error.outcome.issue.some((i) => codes.includes(i.code)), JSON.stringify(error.outcome));
    return true;
  });
}

await step('login: a token of the token endpoint', async () => {
  const { access_token: token } = await login('system/*.cruds');
  medplum.setAccessToken(token);
});

let one;
await step('create, read, update, version, history', async () => {
  one = await medplum.createResource(patient('med-1', 'Med'));
  assert.deepEqual(await medplum.readResource('Patient', one.id), one);
  const changed = await medplum.updateResource({ ...one, gender: 'other' });
  assert.equal(changed.meta.versionId, '2');
  assert.deepEqual(await medplum.readVersion('Patient', one.id, '1'), one);
  assert.equal((await medplum.readHistory('Patient', one.id)).entry.length, 2);
  await refused(medplum.readResource('Patient', 'nobody'), 'not-found');
});

await step('createResourceIfNoneExist, upsertResource', async () => {
  const query = 'identifier=urn:example:mrn|med-2';
  const first = await medplum.createResourceIfNoneExist(patient('med-2', 'Once'), query);
  assert.equal((await medplum.createResourceIfNoneExist(patient('med-2', 'Twice'), query)).id, first.id);
  const changed = await medplum.upsertResource(patient('med-2', 'Changed'), query);
  assert.deepEqual([changed.id, changed.meta.versionId], [first.id, '2']);
  const made = await medplum.upsertResource(patient('med-3', 'Made'), 'identifier=urn:example:mrn|med-3');
  assert.notEqual(made.id, first.id);
});

await step('patch', async () => {
  assert.equal((await medplum.patchResource('Patient', one.id, [{ op: 'replace', path: '/gender', value: 'male' }])).gender, 'male');
  await refused(medplum.patchResource('Patient', one.id, [{ op: 'test', path: '/gender', value: 'other' }]), 'processing', 'business-rule', 'conflict', 'value', 'invariant');
});

await step('executeBatch: a transaction and a batch', async () => {
  const entry = [{ fullUrl: 'urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8', resource: patient('med-4', 'Bundled'), request: { method: 'POST', url: 'Patient' } }];
  for (let n = 0; n < 9; n++) {
    entry.push({ resource: heartRate(entry[0].fullUrl, 60 + n, `2026-01-0${1 + n}`), request: { method: 'POST', url: 'Observation' } });
  }
  const done = await medplum.executeBatch({ resourceType: 'Bundle', type: 'transaction', entry });
  assert.ok(done.entry.every((e) => e.response.status.startsWith('201')));
  const batch = await medplum.executeBatch({ resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: 'Patient/nobody' } }] });
  assert.ok(batch.entry[0].response.status.startsWith('404'));
});

let subject;
await step('search, searchOne, searchResources, and all pages', async () => {
  subject = await medplum.searchOne('Patient', { identifier: 'urn:example:mrn|med-4' });
  assert.equal(subject.name[0].family, 'Bundled');
  const query = { patient: `Patient/${subject.id}`, code: 'http://loinc.org|8867-4', _count: '4', _sort: 'date' };
  assert.equal((await medplum.search('Observation', query)).total, 9);
  assert.equal((await medplum.searchResources('Observation', query)).length, 4);
  const found = [];
  for await (const page of medplum.searchResourcePages('Observation', query)) {
    found.push(...page.map((o) => o.valueQuantity.value));
  }
  assert.deepEqual(found, Array.from({ length: 9 }, (_, n) => 60 + n));
});

await step('$everything, $validate, references', async () => {
  await medplum.createResource(phq9(`Patient/${subject.id}`, '2026-01-10T08:00:00Z', [1, 1, 1, 1, 1, 1, 1, 1, 1]));
  const all = await medplum.readPatientEverything(subject.id);
  assert.ok(all.entry.some((e) => e.resource.resourceType === 'QuestionnaireResponse'));
  assert.equal((await medplum.validateResource(patient('med-5', 'Valid'))).resourceType, 'OperationOutcome');
  assert.equal((await medplum.readReference({ reference: `Patient/${subject.id}` })).id, subject.id);
});

await step('bulkExport to the end, and the files', async () => {
  const manifest = await medplum.bulkExport('', 'Patient,Observation', undefined, { pollStatusOnAccepted: true, pollStatusPeriod: 250 });
  assert.deepEqual([...new Set(manifest.output.map((f) => f.type))].sort(), ['Observation', 'Patient']);
  for (const file of manifest.output) {
    const text = await (await medplum.download(file.url)).text();
    assert.ok(lines(text).every((r) => r.resourceType === file.type));
  }
});

await step('delete', async () => {
  await medplum.deleteResource('Patient', one.id);
  await refused(medplum.readResource('Patient', one.id), 'deleted', 'not-found');
});

finish();
