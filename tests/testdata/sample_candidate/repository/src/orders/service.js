'use strict';

const crypto = require('node:crypto');
const { NotFound } = require('./problems');

function createOrderService({ store, pricing }) {
  return {
    async place(order, idempotencyKey) {
      if (idempotencyKey) {
        const earlier = await store.byIdempotencyKey(idempotencyKey);
        if (earlier) return earlier;
      }
      const totalCents = await pricing.total(order.lines);
      const placed = { id: crypto.randomUUID(), ...order, totalCents };
      await store.insert(placed, idempotencyKey);
      return placed;
    },

    async find(id) {
      const order = await store.byId(id);
      if (!order) throw new NotFound(`no order ${id}`);
      return order;
    },

    list: ({ limit, after }) => store.page(limit, after),

    async rows() {
      const { items } = await store.page(100);
      return items.map((order) => [order.id, order.customer, order.totalCents]);
    },

    ping: () => store.ping(),
  };
}

module.exports = { createOrderService };
