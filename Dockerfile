# The image for whoever builds with a container daemon. What `cargo xtask image` makes is the same but for the source of
# the authorities (Debian's here) and the texts of licences; docs/image.md says when to take which.
#
#   docker build --tag registry.example.com/acr-credential-helper:0.1.0 .
#   docker buildx build --platform linux/amd64,linux/arm64 --tag … --push .

FROM rust:1.95.0-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo rustc --locked --release --package acr-credential-helper --bin acr-credential-helper \
        -- --codegen=target-feature=+crt-static --codegen=strip=symbols \
    && mkdir --parents /image/usr/bin /image/etc/ssl/certs /image/usr/share/doc/acr-credential-helper \
    && cp target/release/acr-credential-helper /image/usr/bin/ \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && cp LICENSE /image/usr/share/doc/acr-credential-helper/LICENSES \
    && printf 'passwd: files\ngroup: files\nhosts: files dns\n' > /image/etc/nsswitch.conf \
    && printf 'root:x:0:0:root:/:/nowhere\nnonroot:x:65532:65532:nonroot:/:/nowhere\n' > /image/etc/passwd \
    && printf 'root:x:0:\nnonroot:x:65532:\n' > /image/etc/group

FROM scratch
COPY --from=build /image/ /
ENV PATH=/usr/bin
USER 65532:65532
WORKDIR /
EXPOSE 8080/tcp
ENTRYPOINT ["/usr/bin/acr-credential-helper"]
LABEL org.opencontainers.image.title="acr-credential-helper" \
      org.opencontainers.image.licenses="Apache-2.0"
