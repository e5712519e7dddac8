// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/code_analysis/checks/secret_scan.h"
#include "plugins/code_analysis/testing/repository.h"

namespace assay::code_analysis {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::RunCheck;

constexpr char kServer[] = "const app = require('express')(); app.get('/', (req, res) => res.end()); app.listen(1);";

// Keys are put together here, so that no text of this file looks like one.
std::string GitHubToken() { return std::string("ghp") + "_" + "R7kQ2mVx9LpZ4tYc8WbN1sHd6JfGa3UeKo5T"; }
std::string AwsKey() { return std::string("AK") + "IA" + "Q7ZR2MVX9LPT4YCW"; }

TEST(Secrets, FindsKeysOfKnownShapeAndNeverShowsThem) {
  const auto run = RunCheck("D1", {{"server.js", kServer},
                                   {"src/config.js", "module.exports = {\n  github: '" + GitHubToken() +
                                                         "',\n  aws: '" + AwsKey() + "',\n};\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("src/config.js:2", "src/config.js:3"));
  EXPECT_THAT(run.report.findings[0].message, HasSubstr("ghp_…"));
  EXPECT_THAT(run.report.findings[0].message, Not(HasSubstr(GitHubToken().substr(4, 8))));
  EXPECT_EQ(run.Value(), 0.0);
}

TEST(Secrets, FindsPrivateKeysAddressesAndRandomValuesUnderTellingNames) {
  std::string key = "-----BEGIN RSA ";
  key += "PRIVATE KEY-----\n";
  for (int i = 0; i < 4; ++i) key += "MIIEowIBAAKCAQEAx7Vq2mZr9tYc8WbN1sHd6JfGa3UeKo5TR7kQ2mVx9LpZ4tYc\n";
  const std::string address = std::string("DATABASE_URL=postgres") + "://api:v7Rk2qLz9@db.shop.io:5432/shop\n";
  const std::string value = "const jwtSecret = \"q7Zr2mVx9LpT4yCw8bN1sHd6\";\n";
  const auto run = RunCheck(
      "D1", {{"server.js", kServer}, {"certs/server.key", key}, {"deploy.env", address}, {"src/auth.js", value}});
  EXPECT_THAT(run.Places(), ::testing::UnorderedElementsAre("certs/server.key:1", "deploy.env:1", "src/auth.js:1"));
}

TEST(Secrets, LeavesExamplesPlaceholdersTestsAndPublicThingsAlone) {
  const auto run = RunCheck(
      "D1",
      {{"server.js", kServer},
       {".env.example",
        "JWT_SECRET=replace-me-with-32-random-bytes\nDATABASE_URL=postgres://user:password@db.shop.io/shop\n"},
       {".env", "PORT=3000\nJWT_SECRET=${SECRET_FROM_VAULT}\nDB_PASSWORD=postgres\n"},
       {"test/keys.js", "exports.token = '" + GitHubToken() + "';\n"},
       {"src/a.js",
        "const secret = process.env.JWT_SECRET;\nconst apiKey = 'your-api-key-goes-here-123456';\n"
        "const awsExample = 'AKIAIOSFODNN7EXAMPLE';\nconst tokenHeader = 'x-q7Zr2mVx9LpT4yCw8bN1sHd6';\n"
        "const url = 'mongodb://root:Zr2mVx9LpT4y@localhost:27017';\nconst resetTokenPath = "
        "'/v1/accounts/reset-token-7f3a';\n"},
       {"package-lock.json",
        R"({"lockfileVersion": 3, "packages": {"node_modules/a": {"integrity": "sha512-q7Zr2mVx9LpT4yCw8bN1sHd6JfGa3UeKo5TR7kQ2mVx9LpZ4tYc8Wb=="}}})"},
       {"keys/public.pem",
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAx7Vq2mZr9tYc8WbN1sHd\n-----END PUBLIC "
        "KEY-----\n"},
       {"README.md", "Set `STRIPE_KEY=sk_live_xxxxxxxxxxxxxxxxxxxxxxxx` first.\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
}

TEST(Secrets, ScanEndsOnAnyBytes) {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes.push_back(static_cast<char>(i * 7919 % 251));
  ScanForSecrets("a.js", bytes);
  EXPECT_THAT(ScanForSecrets("a.js", std::string(1 << 20, ':')), IsEmpty());
  EXPECT_THAT(ScanForSecrets("a.js", "://:@"), IsEmpty());
}

TEST(Tokens, FindsLiteralSecretsMissingExpiryAndIgnoredExpiration) {
  const auto run = RunCheck("D2", {{"server.js", R"js(
const jwt = require('jsonwebtoken');
const app = require('express')();
const SECRET = 'shop-signing-key';
app.post('/login', (req, res) => {
  res.json({ token: jwt.sign({ id: 1 }, SECRET) });
});
app.get('/me', (req, res) => {
  res.json(jwt.verify(req.headers.authorization, process.env.JWT_SECRET, { ignoreExpiration: true }));
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:6", "server.js:9"));
  EXPECT_LT(run.Value(), 0.1);
}

TEST(Tokens, FindsADefaultSecretInConfigurationOfAnotherFile) {
  const auto run = RunCheck(
      "D2",
      {{"src/config.ts", "export const config = { jwt: { secret: process.env.JWT_SECRET || 'development-key' } };\n"},
       {"src/app.ts", R"js(
import express from 'express';
import { sign } from 'jsonwebtoken';
import { config } from './config';
const app = express();
app.post('/login', (req, res) => { res.json(sign({ id: 1 }, config.jwt.secret, { expiresIn: '15m' })); });
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("src/app.ts:6"));
  EXPECT_LT(run.Value(), 0.4);
}

TEST(Tokens, FindsTokensThatAreOnlyDecoded) {
  const auto run = RunCheck("D2", {{"server.mjs", R"js(
import express from 'express';
import jwt from 'jsonwebtoken';
const app = express();
app.use((req, res, next) => { req.user = jwt.decode(req.headers.authorization); next(); });
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.mjs:5"));
}

TEST(Tokens, LeavesSecretsFromOutsideAlone) {
  const auto run = RunCheck("D2", {{"server.js", R"js(
const jwt = require('jsonwebtoken');
const app = require('express')();
if (!process.env.JWT_SECRET) throw new Error('JWT_SECRET is missing');
const secret = process.env.JWT_SECRET || 'never used';
app.post('/login', (req, res) => {
  const payload = { sub: 1, exp: Math.floor(Date.now() / 1000) + 900 };
  res.json(jwt.sign(payload, secret));
});
app.use((req, res, next) => {
  const claimed = jwt.decode(req.headers.authorization);
  req.user = jwt.verify(req.headers.authorization, secret, { algorithms: ['HS256'] });
  next(claimed ? undefined : new Error('no token'));
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
  EXPECT_FALSE(RunCheck("D2", {{"server.js", kServer}}).Observed());
}

TEST(Tokens, LeavesTypedModulesThatNameTheirAlgorithmAlone) {
  const auto run = RunCheck("D2", {{"src/tokens.ts", R"js(
import jwt from 'jsonwebtoken';
const key = process.env.TOKEN_KEY as string;
export const issue = (sub: string) => jwt.sign({ sub }, key, { algorithm: 'HS256', expiresIn: '15m' });
export const read = (token: string) => jwt.verify(token, key, { algorithms: ['HS256'] });
)js"},
                                   {"src/app.ts", R"js(
import express from 'express';
import { issue, read } from './tokens';
const app = express();
app.post('/login', (req, res) => { res.json({ token: issue(req.body.user) }); });
app.get('/me', (req, res) => { res.json(read(String(req.headers.authorization))); });
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
}

TEST(SessionCookies, FindsMissingFlags) {
  const auto run = RunCheck("D3", {{"server.js", R"js(
const session = require('express-session');
const app = require('express')();
app.use(session({ secret: process.env.SECRET, resave: false }));
app.post('/login', (req, res) => {
  res.cookie('access_token', 'x', { secure: true, sameSite: 'lax' });
  res.end();
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:4", "server.js:6"));
  EXPECT_LT(run.Value(), 0.2);
}

TEST(SessionCookies, LeavesCompleteAndOtherCookiesAlone) {
  const auto run = RunCheck("D3", {{"src/session.ts", R"js(
import session from 'express-session';
const cookie = { httpOnly: true, secure: process.env.NODE_ENV === 'production', sameSite: 'strict' as const };
export const sessions = session({ secret: process.env.SECRET!, cookie });
)js"},
                                   {"src/app.ts", R"js(
import express from 'express';
import { sessions } from './session';
const app = express();
app.use(sessions);
app.get('/', (req, res) => { res.cookie('theme', 'dark'); res.cookie('csrfToken', 'x'); res.end(); });
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
}

TEST(SessionCookies, SeesFlagsThatAreTurnedOnForProduction) {
  const auto run = RunCheck("D3", {{"server.js", R"js(
const session = require('express-session');
const app = require('express')();
const options = { secret: process.env.SECRET, cookie: { sameSite: 'lax' } };
if (app.get('env') === 'production') { options.cookie.secure = true; }
app.use(session(options));
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

TEST(SessionStore, FindsSessionsInMemory) {
  const testing::Files memory = {{"server.js", R"js(
const session = require('express-session');
const app = require('express')();
app.use(session({ secret: process.env.SECRET }));
app.listen(3000);
)js"}};
  testing::Files with_image = memory;
  with_image.emplace_back("Dockerfile", "FROM node:20\nCMD [\"node\", \"server.js\"]\n");
  EXPECT_LT(RunCheck("D3b", with_image).Value(), 0.1);
  EXPECT_THAT(RunCheck("D3b", with_image).Places(), ElementsAre("server.js:4"));
  EXPECT_GT(RunCheck("D3b", memory).Value(), 0.2);
}

TEST(SessionStore, LeavesSharedStoresAlone) {
  const auto run = RunCheck("D3b", {{"server.mjs", R"js(
import express from 'express';
import session from 'express-session';
import { RedisStore } from 'connect-redis';
const app = express();
const store = new RedisStore({});
app.use(session({ secret: process.env.SECRET, store }));
app.listen(3000);
)js"},
                                    {"Dockerfile", "FROM node:20\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
  EXPECT_FALSE(RunCheck("D3b", {{"server.js", kServer}}).Observed());
}

TEST(SessionStore, LeavesAStoreThatIsMadeFromTheSessionPackageAlone) {
  const auto run = RunCheck("D3b", {{"server.js", R"js(
const session = require('express-session');
const PostgresStore = require('connect-pg-simple')(session);
const app = require('express')();
app.use(session({ store: new PostgresStore({ tableName: 'sessions' }), secret: process.env.SECRET, resave: false }));
app.listen(3000);
)js"},
                                    {"Dockerfile", "FROM node:20\nCMD [\"node\", \"server.js\"]\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GE(run.Value(), 0.9);
}

TEST(SessionStore, FindsSessionsInMemoryOfATypedModule) {
  const auto run = RunCheck("D3b", {{"src/app.ts", R"js(
import express from 'express';
import session from 'express-session';
const app = express();
app.use(session({ secret: process.env.SECRET!, store: new session.MemoryStore() }));
app.listen(3000);
)js"},
                                    {"Dockerfile", "FROM node:20\nCMD [\"node\", \"dist/app.js\"]\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("src/app.ts:5"));
  EXPECT_LT(run.Value(), 0.3);
}

TEST(Crypto, FindsGuessableTokensFastHashesAndUncheckedCertificates) {
  const auto run = RunCheck("D9", {{"server.js", R"js(
const crypto = require('crypto');
const https = require('https');
const app = require('express')();
app.post('/reset', (req, res) => {
  const resetToken = Math.random().toString(36).slice(2);
  const hash = crypto.createHash('md5').update(req.body.password).digest('hex');
  res.json({ resetToken, hash });
});
const agent = new https.Agent({ rejectUnauthorized: false });
app.listen(3000, () => agent);
)js"}});
  EXPECT_THAT(run.Places(), ::testing::UnorderedElementsAre("server.js:6", "server.js:7", "server.js:10"));
  EXPECT_LT(run.Value(), 0.2);
}

TEST(Crypto, FindsWeakCiphersAndLowCosts) {
  const auto run = RunCheck("D9", {{"src/app.ts", R"js(
import { createCipheriv } from 'node:crypto';
import bcrypt from 'bcrypt';
import express from 'express';
const ROUNDS = 6;
export const lock = (key: Buffer, text: string) => createCipheriv('aes-256-ecb', key, null).update(text);
export const hash = async (password: string) => bcrypt.hash(password, ROUNDS);
express().listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("src/app.ts:6", "src/app.ts:7"));
}

TEST(Crypto, LeavesSoundUsesAndHarmlessRandomnessAlone) {
  const auto run = RunCheck("D9", {{"server.js", R"js(
const crypto = require('crypto');
const bcrypt = require('bcryptjs');
const app = require('express')();
const jitter = Math.random() * 100;
const color = ['red', 'blue'][Math.floor(Math.random() * 2)];
app.post('/a', async (req, res) => {
  const token = crypto.randomBytes(32).toString('hex');
  const etag = crypto.createHash('md5').update(JSON.stringify(req.body)).digest('hex');
  const hash = await bcrypt.hash(req.body.password, 12);
  const iv = crypto.randomBytes(12);
  const cipher = crypto.createCipheriv('aes-256-gcm', process.env.KEY, iv);
  res.json({ token, etag, hash, cipher, jitter, color });
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
  EXPECT_FALSE(RunCheck("D9", {{"server.js", kServer}}).Observed());
}

TEST(Crypto, LeavesSoundUsesOfTypedModulesAlone) {
  const auto run = RunCheck("D9", {{"src/passwords.ts", R"js(
import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';
export function hash(password: string): string {
  const salt = randomBytes(16);
  return `${salt.toString('hex')}:${scryptSync(password, salt, 64).toString('hex')}`;
}
export const matches = (a: Buffer, b: Buffer) => a.length === b.length && timingSafeEqual(a, b);
)js"},
                                   {"src/app.ts", R"js(
import express from 'express';
import { hash } from './passwords';
const app = express();
app.post('/users', (req, res) => { res.json({ hash: hash(req.body.password) }); });
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
}

}  // namespace
}  // namespace assay::code_analysis
