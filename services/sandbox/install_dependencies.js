// SPDX-License-Identifier: Apache-2.0
//
// Runs inside the sandbox, under the pinned Node, with the pinned npm at /npm. It is the only code that reads a
// submission's package.json and lockfile for installing, and it treats both as hostile.
//
//   node install_dependencies.js check     reads /in/package.json and /in/package-lock.json, if any; without a lockfile
//                                          it resolves one. Reports the cleaned pair.
//   node install_dependencies.js install   installs the cleaned pair from /in into /layer/node_modules.
//
// Reports on descriptor 3, one record a line: a word and percent-encoded fields, separated by tabs:
//   failure DOMAIN PACKAGE STEP TEXT · note PACKAGE STEP TEXT · manifest JSON · lock JSON · missing · legacy · empty · done
'use strict';
const fs = require('fs');
const { spawnSync } = require('child_process');

const MAX_PACKAGES = 5000;
const WORK = '/home/app/work';
const report = (word, ...fields) => fs.writeSync(3, [word, ...fields.map(encode)].join('\t') + '\n');
function encode(text) {
  return encodeURIComponent(String(text).replace(/[\ud800-\udfff]/g, '\ufffd'));
}
class Refusal extends Error {
  constructor(domain, name, step, text) {
    super(text);
    Object.assign(this, { domain, package: String(name).slice(0, 200), step });
  }
}
const refuse = (name, step, text) => { throw new Refusal('submission', name, step, text); };
// What this platform does not do, although the submission may be sound.
const decline = (name, step, text) => { throw new Refusal('platform', name, step, text); };
const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

function parse(path, name) {
  let value;
  try {
    value = JSON.parse(fs.readFileSync(path, 'utf8').replace(/^\ufeff/, ''));
  } catch (error) {
    refuse(name, name === 'package.json' ? 'package.json' : 'lockfile', `${name} is not valid JSON: ${error.message}`);
  }
  if (!isObject(value)) refuse(name, 'package.json', `${name} must hold a JSON object`);
  return value;
}

// Only versions, ranges and tags of the registry, and aliases of those, are taken.
function checkSpecifier(name, text, step) {
  if (typeof text !== 'string') refuse(name, step, 'its version is not a text');
  const plain = text.trim().replace(/^npm:(@[^/@]+\/)?[^/@]+(@|$)/, '');
  if (/^(git|github|gitlab|bitbucket|gist|ssh)[:+@]/i.test(plain) || /^git@/.test(plain)) {
    decline(name, step, `git dependencies are not installed: ${text}`);
  }
  if (/^(file|link|portal|workspace|patch|catalog|jsr):/i.test(plain) || /^[./~]/.test(plain) && !/^~[\dvx*]/i.test(plain)) {
    decline(name, step, `file, link and workspace dependencies are not installed: ${text}`);
  }
  if (/^[a-z][a-z0-9+.-]*:/i.test(plain)) decline(name, step, `URL dependencies are not installed: ${text}`);
  if (/^[^@\s]+\/[^\s]+$/.test(plain)) decline(name, step, `git dependencies are not installed: ${text}`);
}

function checkName(name, step) {
  if (!/^(@[a-z0-9~._-]+\/)?[a-z0-9~._-]+$/i.test(name) || name.length > 214 || name.includes('..')) {
    refuse(name, step, 'is not a name the registry can have');
  }
}

function cleanManifest(manifest) {
  const clean = { name: 'submission', version: '1.0.0' };
  let count = 0;
  for (const field of ['dependencies', 'optionalDependencies', 'peerDependencies']) {
    if (!isObject(manifest[field])) continue;
    for (const [name, text] of Object.entries(manifest[field])) {
      checkName(name, 'package.json');
      checkSpecifier(name, text, 'package.json');
      if (++count > MAX_PACKAGES) refuse(name, 'package.json', `more than ${MAX_PACKAGES} dependencies`);
    }
    clean[field] = manifest[field];
  }
  if (isObject(manifest.peerDependenciesMeta)) clean.peerDependenciesMeta = manifest.peerDependenciesMeta;
  if (isObject(manifest.overrides)) {
    const walk = (value, name, depth) => {
      if (depth > 8) refuse(name, 'package.json', 'overrides are nested too deeply');
      if (!isObject(value)) return checkSpecifier(name, String(value).replace(/^\$.*/, '*'), 'package.json');
      for (const [key, inner] of Object.entries(value)) walk(inner, key, depth + 1);
    };
    walk(manifest.overrides, 'overrides', 0);
    clean.overrides = manifest.overrides;
  }
  return { clean, count };
}

// Keeps the path below the package's name, so that it comes from the operator's registry whatever host stood there.
function rewriteResolved(name, version, resolved, registry) {
  if (resolved === undefined) return undefined;
  if (typeof resolved !== 'string' || !/^https?:\/\//i.test(resolved)) {
    decline(name, 'lockfile', `git, file and link dependencies are not installed: ${resolved}`);
  }
  const file = `${name.split('/').pop()}-${version}.tgz`;
  const path = decodeURIComponent(new URL(resolved).pathname);
  if (!path.endsWith(`/-/${file}`)) decline(name, 'lockfile', `URL dependencies are not installed: ${resolved}`);
  return registry ? `${registry.replace(/\/+$/, '')}/${name}/-/${file}` : undefined;
}

function cleanEntry(name, entry, registry) {
  if (!isObject(entry)) refuse(name, 'lockfile', 'its lockfile entry is not an object');
  if (entry.link) decline(name, 'lockfile', 'link and workspace dependencies are not installed');
  if (typeof entry.version !== 'string' || !/^\d+\.\d+\.\d+/.test(entry.version)) {
    decline(name, 'lockfile', `git, file and URL dependencies are not installed: ${entry.version}`);
  }
  checkName(name, 'lockfile');
  entry.resolved = rewriteResolved(name, entry.version, entry.resolved, registry);
}

function cleanLock(lock, manifest, registry) {
  let count = 0;
  const counted = (name) => {
    if (++count > MAX_PACKAGES) refuse(name, 'lockfile', `more than ${MAX_PACKAGES} packages`);
  };
  if (isObject(lock.packages)) {
    const packages = { '': { ...manifest } };
    for (const [path, entry] of Object.entries(lock.packages)) {
      if (path === '' || (isObject(entry) && (entry.dev || entry.extraneous))) continue;
      counted(path);
      if (!/^node_modules\//.test(path) || path.split('/').includes('..')) {
        decline(path, 'lockfile', 'link and workspace dependencies are not installed');
      }
      cleanEntry(entry.name || path.slice(path.lastIndexOf('node_modules/') + 13), entry, registry);
      if (entry.hasInstallScript) {
        report('note', path.replace(/^.*node_modules\//, ''), 'install', 'has an install script; it was not run');
      }
      packages[path] = entry;
    }
    return { name: manifest.name, version: manifest.version, lockfileVersion: 3, requires: true, packages };
  }
  const walk = (dependencies, depth) => {
    if (depth > 64) refuse('', 'lockfile', 'dependencies are nested too deeply');
    for (const [name, entry] of Object.entries(dependencies)) {
      if (isObject(entry) && entry.dev) { delete dependencies[name]; continue; }
      counted(name);
      cleanEntry(name, entry, registry);
      if (isObject(entry.dependencies)) walk(entry.dependencies, depth + 1);
    }
  };
  const dependencies = isObject(lock.dependencies) ? lock.dependencies : {};
  walk(dependencies, 0);
  return { name: manifest.name, version: manifest.version, lockfileVersion: 1, requires: true, dependencies };
}

function npm(...words) {
  const result = spawnSync(process.execPath, ['/npm/bin/npm-cli.js', ...words], {
    cwd: WORK, encoding: 'utf8', maxBuffer: 16 << 20, stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = `${result.stderr || ''}\n${result.stdout || ''}`;
  return { ok: result.status === 0, text, code: (/npm (?:error|ERR!) code (\S+)/.exec(text) || [])[1] || '' };
}

const NO_VERSION = /No matching version found for (@?[^@\s]+)@(\S+?)\.?(?:\s|$)/;

// What npm said, without its own advice, and the package it is about.
function npmRefusal(result, step) {
  const missing = NO_VERSION.exec(result.text);
  if (missing) return new Refusal('platform', missing[1], step, `npm: ${result.code} the registry offers no version that fits ${missing[2]}`);
  const unknown = /404\s+'?(@?[^@\s']+)@/.exec(result.text) || /\/(@?[a-z0-9._~%-]+(?:%2f[a-z0-9._~-]+)?)(?:\s|$)/i.exec(result.text);
  if (result.code === 'E404' && unknown) {
    return new Refusal('platform', decodeURIComponent(unknown[1]), step, 'npm: E404 the registry does not offer this package');
  }
  const lines = result.text.split('\n').map((line) => line.replace(/^npm (error|ERR!|warn) ?/, '').trim())
    .filter((line) => line && !/^(code |A complete log|Log files were|A possible|Run |See |This is|\{|$)/.test(line));
  const name = (/Found: (@?[^@\s]+)@/.exec(result.text) || /Unsupported platform for (@?[^@\s]+)/.exec(result.text) || [])[1] || '';
  const outside = /^(E5\d\d|ECONN|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|ERR_SOCKET|EPROTO|E401|E403|CERT|SELF_SIGNED|UNABLE_TO|ENOSPC|ENOMEM|EACCES|EROFS|EIO)/;
  const domain = outside.test(result.code) || result.code === '' ? 'platform' : 'submission';
  return new Refusal(domain, name, step, `npm: ${result.code} ${lines.slice(0, 6).join(' ')}`.slice(0, 2000));
}

const FLAGS = ['--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund'];

const MAX_STAND_INS = 8;

// A tag is the registry's word, and a mirror may know no other than "latest": its newest release then stands in, and the
// notes say so. Whether something was changed.
function useNewest(result, manifest) {
  const [, name, wanted] = NO_VERSION.exec(result.text) || [];
  if (name === undefined || wanted === 'latest' || !/^[a-z][a-z0-9._-]*$/i.test(wanted)) return false;
  const field = ['dependencies', 'optionalDependencies', 'peerDependencies'].find((one) => isObject(manifest[one]) && Object.hasOwn(manifest[one], name));
  if (field !== undefined) {
    manifest[field] = { ...manifest[field], [name]: 'latest' };
  } else {
    // An override for a version nobody asks for is taken for tags alone.
    manifest.overrides = { ...manifest.overrides, [`${name}@0.0.0-0`]: 'latest' };
  }
  report('note', name, 'resolve', `the registry knows no tag ${wanted}; the newest release stands in`);
  fs.writeFileSync(`${WORK}/package.json`, JSON.stringify(manifest));
  return true;
}

function resolve(manifest) {
  let flags = ['--package-lock-only', ...FLAGS];
  let result = npm('install', ...flags);
  for (let tries = 0; !result.ok && tries < MAX_STAND_INS; ++tries) {
    if (result.code === 'ERESOLVE' && !flags.includes('--legacy-peer-deps')) {
      report('note', '', 'resolve', 'peer dependencies conflict; resolved without them');
      report('legacy');
      flags = [...flags, '--legacy-peer-deps'];
    } else if (!useNewest(result, manifest)) {
      break;
    }
    result = npm('install', ...flags);
  }
  if (!result.ok) throw npmRefusal(result, 'resolve');
  return parse(`${WORK}/package-lock.json`, 'package-lock.json');
}

function check(registry) {
  const { clean, count } = cleanManifest(parse('/in/package.json', 'package.json'));
  let given = null;
  if (fs.existsSync('/in/package-lock.json')) {
    try {
      given = parse('/in/package-lock.json', 'package-lock.json');
    } catch (error) {
      report('note', 'package-lock.json', 'lockfile', `${error.message}; dependencies were resolved anew`);
    }
  }
  if (count === 0) {
    report('manifest', JSON.stringify(clean));
    return report('empty');
  }
  fs.mkdirSync(WORK, { recursive: true });
  fs.writeFileSync(`${WORK}/package.json`, JSON.stringify(clean));
  if (given === null) report('missing');
  const lock = cleanLock(given === null ? resolve(clean) : given, clean, registry);
  report('manifest', JSON.stringify(clean));
  report('lock', JSON.stringify(lock, null, 1));
}

function install(legacy) {
  fs.mkdirSync(WORK, { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) fs.copyFileSync(`/in/${name}`, `${WORK}/${name}`);
  const flags = legacy ? [...FLAGS, '--legacy-peer-deps'] : FLAGS;
  let result = npm('ci', ...flags);
  if (!result.ok && (result.code === 'EUSAGE' || result.code === 'ERESOLVE')) {
    report('note', 'package-lock.json', 'lockfile', 'does not fit package.json; npm completed it');
    fs.rmSync(`${WORK}/node_modules`, { recursive: true, force: true });
    result = npm('install', ...(flags.includes('--legacy-peer-deps') ? flags : [...flags, '--legacy-peer-deps']));
  }
  if (!result.ok) throw npmRefusal(result, 'install');
  if (fs.existsSync(`${WORK}/node_modules`)) {
    fs.cpSync(`${WORK}/node_modules`, '/layer/node_modules', { recursive: true, verbatimSymlinks: true });
  } else {
    fs.mkdirSync('/layer/node_modules');
  }
}

try {
  if (process.argv[2] === 'check') check(process.env.npm_config_registry || '');
  else install(process.argv[3] === 'legacy');
  report('done');
} catch (error) {
  if (error instanceof Refusal) report('failure', error.domain, error.package, error.step, error.message);
  else report('failure', 'platform', '', process.argv[2], String(error && error.stack || error).slice(0, 2000));
}
