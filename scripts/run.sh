#!/usr/bin/env bash
# `make run`: a repository with a demo account, at once. Data stay in $STRONGROOM_DATA_DIR (.data).
set -eu
host=$1 port=$2
export STRONGROOM_BASE_URL=${STRONGROOM_BASE_URL:-http://$host:$port}
bin=.venv/bin
email=demo@example.org
demo="$STRONGROOM_DATA_DIR/demo"
(umask 077; mkdir -p "$STRONGROOM_DATA_DIR")
$bin/strongroom db upgrade >/dev/null
if [ ! -s "$demo" ]; then
  # The first run makes the account; the file keeps its password and token for the next ones.
  umask 077
  password=$($bin/python -c 'import secrets; print(secrets.token_urlsafe(9))')
  printf '%s\n' "$password" | $bin/strongroom user add "$email" --name "Demo Depositor" --password-stdin --admin >/dev/null
  token=$($bin/strongroom token create "$email" --name demo)
  $bin/strongroom vocabulary samples >/dev/null
  printf 'password=%s\ntoken=%s\n' "$password" "$token" > "$demo"
fi
. "$demo"
cat <<TEXT

  Strongroom  $STRONGROOM_BASE_URL
  Log in      $email   password  $password
  Token       $token

  DOIs look like ${STRONGROOM_DOI_PREFIX:-10.5072}/${STRONGROOM_DOI_NAME:-strongroom}.<id> and are not registered (docs/operators/).
  Data are in $STRONGROOM_DATA_DIR. End with Ctrl-C.

TEXT
if [ -z "${STRONGROOM_SMTP_HOST:-}" ] && ! grep -Eqs '^ *smtp_host *= *[^ ]{3}' "${STRONGROOM_CONFIG:-/dev/null}"; then
  cat <<TEXT
  There is no mail server (STRONGROOM_SMTP_HOST): mails, those with links to confirm an address too, are not sent
  but kept as files in $STRONGROOM_DATA_DIR/mail.

TEXT
fi
exec $bin/strongroom serve --host "$host" --port "$port"
