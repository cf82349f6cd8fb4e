#!/usr/bin/env bash
# A browser for tests/test_report_browser.py: Debian's chromium, where packages may be installed. Never fails: without a
# browser those tests are skipped.
set -u
for name in chromium chromium-browser; do
  if command -v "$name" > /dev/null && "$name" --version > /dev/null 2>&1; then exit 0; fi
done
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
  echo "There is no chromium, and it can't be installed here: the tests of the report in a browser are skipped."
  exit 0
fi
apt="apt-get -qq -o Acquire::http::Timeout=20 -o Acquire::Retries=1"
if ! { timeout 120 $apt update && DEBIAN_FRONTEND=noninteractive timeout 400 $apt install -y --no-install-recommends chromium fonts-dejavu-core; } > /dev/null 2>&1; then
  echo "chromium could not be installed: the tests of the report in a browser are skipped."
fi
exit 0
