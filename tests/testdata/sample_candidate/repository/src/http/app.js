'use strict';

const compression = require('compression');
const express = require('express');
const helmet = require('helmet');
const pinoHttp = require('pino-http');
const { rateLimit } = require('express-rate-limit');
const { healthRouter } = require('./health');
const { ordersRouter } = require('./orders');
const { reportsRouter } = require('./reports');
const { handleErrors, handleUnknown } = require('./errors');

function createApp({ config, logger, orders, lifecycle }) {
  const app = express();
  app.set('trust proxy', 1);
  app.use(helmet());
  app.use(pinoHttp({ logger, autoLogging: false }));
  app.use('/', healthRouter({ lifecycle, orders }));
  app.use(compression());
  app.use(express.json({ limit: '64kb' }));

  if (config.NODE_ENV === 'production') {
    app.use('/api/orders', rateLimit({ windowMs: 60_000, limit: config.ORDERS_PER_MINUTE * 1000 }));
  }

  app.use('/api/orders', ordersRouter({ orders }));
  app.use('/api/reports', reportsRouter({ orders }));

  app.use(handleUnknown);
  app.use(handleErrors);
  return app;
}

module.exports = { createApp };
