#!/bin/sh
# Makes what deploy/compose.yaml mounts, in deploy/secrets: passwords, an authority of your own, and a certificate for the
# names of the containers, localhost, and those given: sh deploy/secrets.sh rungway.example.org 192.0.2.7
# Nothing that is there is changed. Files can be read by every user of a container; their folder by you alone.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
cd secrets

password() { openssl rand -hex 24; }
if [ ! -e redis.env ]; then
  secret=$(password)
  printf 'REDIS_PASSWORD=%s\nRUNGWAY_REDIS_URL=redis://:%s@redis:6379/0\n' "$secret" "$secret" >redis.env
fi
[ -e grafana-password ] || password >grafana-password
# Filled by `rungway token create`, later.
[ -e prometheus-token ] || : >prometheus-token

if [ ! -e ca.crt ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Rungway's authority" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.crt 2>/dev/null
fi
if [ ! -e tls.crt ]; then
  names=DNS:rungway,DNS:rungway-1,DNS:rungway-2,DNS:localhost,IP:127.0.0.1
  for each in "$@"; do
    case $each in
      *[!0-9.]*) names=$names,DNS:$each ;;
      *) names=$names,IP:$each ;;
    esac
  done
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=rungway -keyout tls.key -out tls.csr 2>/dev/null
  # What strict clients want of a certificate.
  cat >tls.ext <<END
subjectAltName=$names
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
END
  openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile tls.ext -out tls.crt 2>/dev/null
  rm -f tls.csr tls.ext ca.srl
fi
chmod 644 ca.crt tls.crt tls.key grafana-password prometheus-token
echo "deploy/secrets: $(ls | tr '\n' ' ')"
