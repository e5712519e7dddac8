'use strict';

const MAX_ORDERS = 10_000;

// Stands in for the database so that the service can be tried on a laptop. Bounded: the oldest order goes first.
function createOrderStore() {
  const orders = new Map();
  const byKey = new Map();

  return {
    async insert(order, idempotencyKey) {
      if (orders.size >= MAX_ORDERS) orders.delete(orders.keys().next().value);
      orders.set(order.id, order);
      if (idempotencyKey) byKey.set(idempotencyKey, order.id);
    },
    async byId(id) {
      return orders.get(id);
    },
    async byIdempotencyKey(key) {
      return orders.get(byKey.get(key));
    },
    async page(limit, after) {
      const all = [...orders.values()];
      const start = after ? all.findIndex((order) => order.id === after) + 1 : 0;
      const items = all.slice(start, start + limit);
      return { items, next: start + limit < all.length ? items[items.length - 1].id : null };
    },
    async ping() {
      return true;
    },
    close() {
      orders.clear();
      byKey.clear();
    },
  };
}

module.exports = { createOrderStore };
