#!/bin/sh
# Chromium without the pages that it prepares below its address bar: a process, and half of what a window costs before
# it shows anything. Playwright leaves out features too, and Chromium heeds the last such list alone.
for argument; do
	shift
	case $argument in
	--disable-features=*) argument=$argument,WebUIOmniboxPopup,WebUIOmniboxAimPopup ;;
	esac
	set -- "$@" "$argument"
done
exec "$CHROMIUM_OF_TESTS" "$@"
