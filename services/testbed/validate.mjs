// Holds FHIR resources, one per line of the standard input, against R4, and answers each with one line: a JSON array of
// what is wrong with it. The validator is Medplum's, the definitions and code systems are HL7's; they are named by the
// arguments.
import { readFileSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

globalThis.WebSocket ??= class {}; // which the library wants to see when it is loaded
globalThis.crypto ??= (await import('node:crypto')).webcrypto;

const [medplum, definitions] = process.argv.slice(-2);
const { loadDataType, validateResource } = await import(pathToFileURL(medplum).href);

const read = (file) => JSON.parse(readFileSync(`${definitions}/${file}`, 'utf8'));
const byURL = new Map();
for (const file of readdirSync(definitions)) {
  if (file.startsWith('StructureDefinition-')) {
    const definition = read(file);
    if (definition.snapshot && definition.derivation !== 'constraint') {
      loadDataType(definition);
    }
  } else if (/^(ValueSet|CodeSystem)-/.test(file)) {
    const { url, compose, concept, content, resourceType } = read(file);
    byURL.set(`${resourceType} ${url}`, { compose, concept, content });
  }
}

const codesOf = (concepts = []) => concepts.flatMap((c) => [c.code, ...codesOf(c.concept)]);

// codesIn are all codes of a value set; undefined when it is made in a way that lists none.
const expansions = new Map();
function codesIn(url) {
  if (!expansions.has(url)) {
    const includes = byURL.get(`ValueSet ${url}`)?.compose?.include;
    let codes = includes && [];
    for (const include of includes ?? []) {
      const system = byURL.get(`CodeSystem ${include.system}`);
      const whole = system?.content === 'complete' && !include.filter && !include.valueSet ? codesOf(system.concept) : undefined;
      const listed = include.concept?.map((c) => c.code) ?? whole;
      codes = codes && listed && [...codes, ...listed];
    }
    expansions.set(url, codes && new Set(codes));
  }
  return expansions.get(url);
}

function* unbound(valueSet, tokens) {
  const codes = codesIn(valueSet.split('|')[0]);
  for (const { value, path } of codes ? tokens : []) {
    const coded = value?.coding ?? [typeof value === 'string' ? { code: value } : value];
    for (const { code } of coded) {
      if (code !== undefined && !codes.has(code)) {
        yield `${path}: ${code} is not in ${valueSet}`;
      }
    }
  }
}

const told = (issue) => `${(issue.expression ?? []).join()}: ${issue.details?.text ?? issue.code}`;

for await (const line of createInterface({ input: process.stdin })) {
  const problems = [];
  let resource;
  // Collects what is bound to any value set.
  const found = {};
  const tokens = new Proxy(found, {
    get: (target, url) => (typeof url === 'string' ? (target[url] ??= []) : undefined),
  });
  try {
    problems.push(...validateResource((resource = JSON.parse(line)), { collect: { tokens } }).map(told));
  } catch (error) {
    problems.push(...(error.outcome?.issue ?? []).map(told));
    if (problems.length === 0) {
      problems.push(String(error));
    }
  }
  // A urn:uuid leads to another entry of its Bundle, of which the library looks for the type in the name.
  const urn = /Invalid reference: got "urn:uuid:/;
  // What bdl-8 says of a fullUrl that is not there is nothing, not that it is false.
  const noURL = (p) => /^Bundle\.entry\[\d+\]: Constraint bdl-8/.test(p) && !resource?.entry[p.match(/\d+/)[0]].fullUrl;
  problems.splice(0, problems.length, ...problems.filter((p) => !urn.test(p) && !noURL(p)));
  for (const [valueSet, values] of Object.entries(found)) {
    problems.push(...unbound(valueSet, values));
  }
  console.log(JSON.stringify(problems));
}
