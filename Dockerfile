# The worker: `docker build -t unstale .`, then `docker run --rm -e UNSTALE_KAFKA_BROKERS=… -e UNSTALE_VALKEY_URL=… unstale`.
# Another command comes after the name: `docker run --rm -e … unstale doctor`.
FROM node:24-bookworm-slim AS base
ENV NODE_ENV=production
WORKDIR /app

# The packages that ship, in the versions of the lock file, and of those for development only the compiler.
FROM base AS packages
COPY package.json package-lock.json .npmrc ./
COPY cache-core/package.json cache-core/
RUN node -e 'const { readFileSync, writeFileSync } = require("node:fs"); \
    const manifest = JSON.parse(readFileSync("package.json", "utf8")); \
    const { typescript, "@types/node": types } = manifest.devDependencies; \
    writeFileSync("package.json", JSON.stringify({ ...manifest, devDependencies: { typescript, "@types/node": types } }))' \
  && npm install --include=dev --no-update-notifier

FROM packages AS build
COPY . .
# tsconfig.json names rooms that do not ship either; .dockerignore leaves them out.
RUN node cache-core/scripts/embed.mjs \
  && npx tsc -b \
  && find dist cache-core/dist \( -name '*.d.ts' -o -name '*.tsbuildinfo' \) -delete

FROM packages AS production
RUN npm prune --omit=dev --no-update-notifier \
  && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' \) -delete \
  # For bundlers only: Node takes build/src.
  && rm -rf node_modules/zod/src node_modules/@opentelemetry/*/build/esm node_modules/@opentelemetry/*/build/esnext \
  && rm -f node_modules/.package-lock.json

FROM base AS runtime
COPY --from=production /app/node_modules node_modules/
COPY --from=build /app/package.json /app/LICENSE /app/CHANGELOG.md /app/SECURITY.md ./
COPY --from=build /app/cache-core/package.json cache-core/
COPY --from=build /app/cache-core/dist cache-core/dist/
COPY --from=build /app/dist/config dist/config/
COPY --from=build /app/dist/consumers dist/consumers/
COPY --from=build /app/dist/worker dist/worker/
COPY deploy/image/healthcheck.mjs ./
# A number, so that Kubernetes can tell it is not root: the image's user `node`.
USER 1000:1000

# The programs of examples/, for docker-compose.yml.
FROM runtime AS examples
COPY --from=build /app/dist/examples dist/examples/
COPY --chown=1000:1000 examples/site /site
COPY deploy/image/ask.mjs deploy/image/edit.mjs ./
ENTRYPOINT ["node"]

FROM runtime AS worker
# The container's own network is the border; outside of containers the default is 127.0.0.1.
ENV UNSTALE_HTTP_HOST=0.0.0.0
EXPOSE 8085
# Whether it should be replaced. Whether it does its work now: `node healthcheck.mjs /readyz`.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["node", "healthcheck.mjs", "/livez"]
STOPSIGNAL SIGTERM
# The first process is Node itself: no shell or npm stands between it and the signals.
ENTRYPOINT ["node", "/app/dist/worker/main.js"]
CMD ["run"]
# Last, because they differ from build to build.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="unstale" \
  org.opencontainers.image.description="Makes cached answers in Valkey unservable when a document they were built from changes." \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
