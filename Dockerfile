# The proxy in a container. Nothing is written outside /var/lib/tufgate, so that the root file system may be read-only:
#   docker run --read-only --cap-drop ALL -v tufgate:/var/lib/tufgate -v ./tufgate.yaml:/etc/tufgate/tufgate.yaml:ro …
FROM node:24-bookworm-slim AS build
WORKDIR /opt/tufgate
COPY package.json package-lock.json ./
# No optional dependencies: the Node they bring is for machines that have an older one.
RUN npm ci --omit=dev --omit=optional --ignore-scripts
COPY LICENSE ./
COPY src src

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="tufgate" \
      org.opencontainers.image.description="A registry proxy that serves the manifest Notary signed for a tag, or refuses" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
# A number, not a name: Kubernetes' runAsNonRoot can tell only of a number that it is not root.
RUN install -d -m 0700 -o 65532 -g 65532 /var/lib/tufgate
COPY --from=build /opt/tufgate /opt/tufgate
VOLUME /var/lib/tufgate
USER 65532:65532
# The registry API, and metrics, health and status.
EXPOSE 5000 9095
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9095/livez').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Without the flag, SIGUSR1 would open the inspector: a debugger port in the process that holds the credentials.
ENTRYPOINT ["node", "--disable-sigusr1", "/opt/tufgate/src/main.ts"]
CMD ["serve", "-c", "/etc/tufgate/tufgate.yaml"]
