'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { Router } = require('express');
const { asyncRoute } = require('./async-route');

const TEMPLATE = path.join(__dirname, '..', '..', 'data', 'report-header.csv');

function reportsRouter({ orders }) {
  const router = Router();

  router.get(
    '/daily.csv',
    asyncRoute(async (req, res) => {
      const header = fs.readFileSync(TEMPLATE, 'utf8');
      const rows = await orders.rows();
      res.type('text/csv').send(header + rows.map((row) => row.join(',')).join('\n'));
    }),
  );

  return router;
}

module.exports = { reportsRouter };
