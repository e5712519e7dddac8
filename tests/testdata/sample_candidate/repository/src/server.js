'use strict';

const http = require('node:http');
const pino = require('pino');
const { createApp } = require('./http/app');
const { loadConfig } = require('./config');
const { createOrderStore } = require('./orders/store');
const { createOrderService } = require('./orders/service');
const { createPricingClient } = require('./clients/pricing');

const SHUTDOWN_GRACE_MS = 400;

function main() {
  const config = loadConfig();
  const logger = pino({ level: config.LOG_LEVEL });
  const store = createOrderStore();
  const pricing = createPricingClient({ url: config.PRICING_URL, logger });
  const orders = createOrderService({ store, pricing });
  const lifecycle = { ready: true };
  const server = http.createServer(createApp({ config, logger, orders, lifecycle }));

  server.requestTimeout = 30_000;
  server.headersTimeout = 15_000;
  server.keepAliveTimeout = 65_000;

  server.listen(config.PORT, () => logger.info({ port: server.address().port }, 'listening'));

  // Stop taking traffic, let what runs finish, then go.
  function shutdown(signal) {
    if (!lifecycle.ready) return;
    lifecycle.ready = false;
    logger.info({ signal }, 'draining');
    server.close(() => {
      store.close();
      logger.info('drained');
      process.exit(0);
    });
    server.closeIdleConnections();
    setTimeout(() => process.exit(1), SHUTDOWN_GRACE_MS).unref();
  }

  process.on('SIGTERM', () => shutdown('SIGTERM'));
  process.on('SIGINT', () => shutdown('SIGINT'));
  process.on('unhandledRejection', (reason) => {
    logger.fatal({ err: reason }, 'unhandled rejection');
    process.exit(1);
  });
}

main();
