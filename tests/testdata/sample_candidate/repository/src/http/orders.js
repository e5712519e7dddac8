'use strict';

const { Router } = require('express');
const { z } = require('zod');
const { asyncRoute } = require('./async-route');
const { validate } = require('./validate');

const newOrder = z.object({
  customer: z.string().min(1).max(80),
  lines: z
    .array(z.object({ sku: z.string().regex(/^[A-Z0-9-]{3,20}$/), quantity: z.number().int().min(1).max(999) }))
    .min(1)
    .max(50),
});
const page = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  after: z.string().max(40).optional(),
});

function ordersRouter({ orders }) {
  const router = Router();

  router.get(
    '/',
    validate({ query: page }),
    asyncRoute(async (req, res) => {
      res.json(await orders.list(req.valid.query));
    }),
  );

  router.post(
    '/',
    validate({ body: newOrder }),
    asyncRoute(async (req, res) => {
      const order = await orders.place(req.valid.body, req.get('idempotency-key'));
      res.status(201).location(`/api/orders/${order.id}`).json(order);
    }),
  );

  router.get(
    '/:id',
    asyncRoute(async (req, res) => {
      res.json(await orders.find(req.params.id));
    }),
  );

  return router;
}

module.exports = { ordersRouter };
