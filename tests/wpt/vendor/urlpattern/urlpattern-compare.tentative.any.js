// META: global=window,worker
// META: script=resources/urlpattern-compare-tests.tentative.js
