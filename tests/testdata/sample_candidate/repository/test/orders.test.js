'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const pino = require('pino');
const request = require('supertest');
const { createApp } = require('../src/http/app');
const { loadConfig } = require('../src/config');
const { createOrderStore } = require('../src/orders/store');
const { createOrderService } = require('../src/orders/service');

function application(pricing = { total: async () => 2_500 }) {
  const orders = createOrderService({ store: createOrderStore(), pricing });
  const config = loadConfig({ NODE_ENV: 'test' });
  return createApp({ config, logger: pino({ level: 'silent' }), orders, lifecycle: { ready: true } });
}

const order = { customer: 'Ada', lines: [{ sku: 'CUP-01', quantity: 2 }] };

test('an order that was placed can be read back', async () => {
  const app = application();
  const placed = await request(app).post('/api/orders').send(order).expect(201);
  const found = await request(app).get(placed.headers.location).expect(200);
  assert.equal(found.body.totalCents, 2_500);
});

test('the same idempotency key places one order', async () => {
  const app = application();
  const first = await request(app).post('/api/orders').set('Idempotency-Key', 'k1').send(order).expect(201);
  const second = await request(app).post('/api/orders').set('Idempotency-Key', 'k1').send(order).expect(201);
  assert.equal(first.body.id, second.body.id);
});

test('a body that is not valid is answered with the fields that are wrong', async () => {
  const response = await request(application()).post('/api/orders').send({ customer: '' }).expect(400);
  assert.deepEqual(response.body.fields.map((f) => f.field).sort(), ['customer', 'lines']);
});

test('an unknown order is a 404 in JSON', async () => {
  const response = await request(application()).get('/api/orders/nothing').expect(404);
  assert.equal(response.body.error, 'not_found');
});

test('a failing price does not leak its reason', async () => {
  const app = application({ total: async () => { throw new Error('secret host name'); } });
  const response = await request(app).post('/api/orders').send(order).expect(500);
  assert.equal(response.text.includes('secret'), false);
});
