'use strict';

const { Router } = require('express');

// Liveness says the process works; readiness says it wants traffic.
function healthRouter({ lifecycle, orders }) {
  const router = Router();
  router.get('/healthz', (req, res) => res.json({ status: 'alive' }));
  router.get('/readyz', async (req, res) => {
    const storeIsUp = await orders.ping().catch(() => false);
    const ready = lifecycle.ready && storeIsUp;
    res.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'not ready' });
  });
  return router;
}

module.exports = { healthRouter };
