// globalThis.navigator, the part of it that makes sense on a server.
(function () {
const { core, primordials } = __bootstrap;
const { ObjectFreeze } = primordials;
const webidl = core.loadExtScript("ext:deno_webidl/00_webidl.js");

const LANGUAGE = "en-US";
const LANGUAGES = ObjectFreeze([LANGUAGE]);
let userAgent = "";

class Navigator {
  constructor() {
    webidl.illegalConstructor();
  }
  get hardwareConcurrency() {
    webidl.assertBranded(this, NavigatorPrototype);
    return 1; // One isolate is one thread.
  }
  get userAgent() {
    webidl.assertBranded(this, NavigatorPrototype);
    return userAgent;
  }
  get language() {
    webidl.assertBranded(this, NavigatorPrototype);
    return LANGUAGE;
  }
  get languages() {
    webidl.assertBranded(this, NavigatorPrototype);
    return LANGUAGES;
  }
  get platform() {
    webidl.assertBranded(this, NavigatorPrototype);
    return "Linux x86_64";
  }
}
webidl.configureInterface(Navigator);
const NavigatorPrototype = Navigator.prototype;

return {
  Navigator,
  navigator: webidl.createBranded(Navigator),
  setUserAgent(text) {
    userAgent = text;
  },
};
})();
