// What native code computes for a script cannot be ended, and V8 sees nothing of the memory that it takes. So
// each call is judged first, and what objects hold outside of the heap counts as long as they live. Loaded
// before the platform's scripts take the methods that are judged; Node's modules take their operations from
// here (`scripts.rs`).
(function () {
const { core, internals, primordials } = __bootstrap;
const { isArrayBuffer } = core;
const {
  BrotliDecoder, BrotliEncoder, SubtleCrypto, Zlib, ZstdCompress, ZstdDecompress, op_isobase_hold,
  op_isobase_judge_encrypted_key, op_isobase_judge_filling, op_isobase_judge_iterations, op_isobase_judge_key,
  op_isobase_judge_powers, op_isobase_judge_prime, op_isobase_judge_safe_prime, op_isobase_release,
} = core.ops;
const {
  ArrayBufferIsView, ArrayBufferPrototypeGetByteLength, ArrayPrototypePush, ArrayPrototypeShift,
  DataViewPrototypeGetByteLength, MathCeil, MathMax, MathMin, ObjectDefineProperty, ObjectKeys, Promise,
  PromisePrototypeThen, ReflectApply, SafeWeakMap, StringPrototypeStartsWith,
  StringPrototypeToUpperCase, TypedArrayPrototypeFill, TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeGetLength, TypedArrayPrototypeGetSymbolToStringTag, TypedArrayPrototypeSet,
  TypedArrayPrototypeSlice, Uint32Array,
} = primordials;

/** Objects whose native part is smaller do not count: they are as large on the heap. */
const COUNTED_BYTES_MIN = 1024;

/** A whole number for an operation; what is none of its business is the operation's own to refuse. */
const whole = (number) => number > 0 ? MathMin(MathCeil(number), 2 ** 52) : 0;

function bytesOf(data) {
  if (!ArrayBufferIsView(data)) return ArrayBufferPrototypeGetByteLength(data);
  const isArray = TypedArrayPrototypeGetSymbolToStringTag(data) !== undefined;
  return isArray ? TypedArrayPrototypeGetByteLength(data) : DataViewPrototypeGetByteLength(data);
}

/** What the native parts of living objects hold. */
const parts = new SafeWeakMap();

/** `bytes` count as long as `owner` lives, or until its part is closed. */
function hold(owner, bytes) {
  letGo(owner);
  parts.set(owner, op_isobase_hold(whole(bytes)));
}

function letGo(owner) {
  const part = parts.get(owner);
  if (part !== undefined) op_isobase_release(part);
}

/** Runs `call`, and counts `bytes` until it is done. */
function holding(bytes, call) {
  const part = op_isobase_hold(whole(bytes));
  try {
    return call();
  } finally {
    op_isobase_release(part);
  }
}

function holdingUntilSettled(bytes, call) {
  const part = op_isobase_hold(whole(bytes));
  const release = () => op_isobase_release(part);
  let promise;
  try {
    promise = call();
  } catch (error) {
    release();
    throw error;
  }
  PromisePrototypeThen(promise, release, release);
  return promise;
}

/** Calls that fill memory take turns: who asks for many at once does not have the memory of all. */
const FILLING_AT_ONCE = 2;
const waiting = [];
let filling = 0;

async function filled(bytes, call) {
  if (filling < FILLING_AT_ONCE) filling++;
  else await new Promise((go) => ArrayPrototypePush(waiting, go));
  try {
    return await holdingUntilSettled(bytes, call);
  } finally {
    const next = ArrayPrototypeShift(waiting);
    if (next === undefined) filling--;
    else next();
  }
}

// ---- Operations of Node's modules ------------------------------------------------------------------

/** Of scrypt, in bytes, with the binary logarithm of its cost. */
function judgedScrypt(cost, blockSize, parallelization) {
  const bytes = whole(128 * 2 ** cost * blockSize);
  op_isobase_judge_filling(bytes, whole(parallelization));
  return bytes;
}

const judgePrime = (bits, isSafe) => (isSafe ? op_isobase_judge_safe_prime : op_isobase_judge_prime)(whole(bits));
const judgeModulus = (bits) => op_isobase_judge_prime(whole(bits / 2));
const judgeDsa = (bits) => op_isobase_judge_prime(whole(bits / 1.5));
const judgeChecks = (number, checks) => {
  op_isobase_judge_powers(typeof number === "bigint" ? 8 : bytesOf(number), whole(checks));
};
// A group's own prime is only raised to a power.
const judgeGroup = (prime, bits) => {
  if (prime === null || prime === undefined) op_isobase_judge_safe_prime(whole(bits));
  else op_isobase_judge_powers(bytesOf(prime), 1);
};

/** Reads a key; where there is a passphrase, what it takes is in the key. */
function judgedKey(create, args) {
  op_isobase_judge_key(bytesOf(args[0]));
  const read = () => ReflectApply(create, undefined, args);
  if (args[3] === null || args[3] === undefined) return read();
  const bytes = op_isobase_judge_encrypted_key(args[0]);
  return bytes === 0 ? read() : holding(bytes, read);
}

/** The length of all texts among the members of a key. */
function lengthOf(jwk) {
  const names = ObjectKeys(jwk);
  let length = 0;
  for (let i = 0; i < names.length; i++) {
    if (typeof jwk[names[i]] === "string") length += jwk[names[i]].length;
  }
  return length;
}

/** What each operation is asked about before it begins. */
const JUDGED = {
  __proto__: null,
  op_node_check_prime: judgeChecks,
  op_node_check_prime_async: judgeChecks,
  op_node_check_prime_bytes: judgeChecks,
  op_node_check_prime_bytes_async: judgeChecks,
  op_node_create_rsa_jwk: (jwk) => op_isobase_judge_key(lengthOf(jwk)),
  op_node_dh_check: (prime) => op_isobase_judge_powers(bytesOf(prime), 1),
  op_node_dh_compute_secret: (prime, own, theirs) => {
    op_isobase_judge_powers(MathMax(bytesOf(prime), bytesOf(own), bytesOf(theirs)), 1);
  },
  op_node_dh_keys_generate_and_export: judgeGroup,
  op_node_gen_prime: judgePrime,
  op_node_gen_prime_async: judgePrime,
  op_node_generate_dh_key: judgeGroup,
  op_node_generate_dh_key_async: judgeGroup,
  op_node_generate_dsa_key: judgeDsa,
  op_node_generate_dsa_key_async: judgeDsa,
  op_node_generate_rsa_key: judgeModulus,
  op_node_generate_rsa_key_async: judgeModulus,
  op_node_generate_rsa_pss_key: judgeModulus,
  op_node_generate_rsa_pss_key_async: judgeModulus,
  op_node_pbkdf2: (_password, _salt, iterations, _digest, key) => {
    op_isobase_judge_iterations(whole(iterations), bytesOf(key));
  },
};

/** How an operation is called whose memory counts meanwhile, or as long as its result lives. */
const HOLDING = {
  __proto__: null,
  op_node_create_private_key: judgedKey,
  op_node_create_public_key: judgedKey,
  op_node_create_secret_key: (create, args) => holdKey(ReflectApply(create, undefined, args), bytesOf(args[0])),
  op_node_fill_random_async: (fill, args) => holdingUntilSettled(args[0], () => ReflectApply(fill, undefined, args)),
  op_node_generate_secret_key: (make, args) => holding(args[0], () => holdKey(ReflectApply(make, undefined, args), args[0])),
  op_node_generate_secret_key_async: async (make, args) => {
    return holdKey(await holdingUntilSettled(args[0], () => ReflectApply(make, undefined, args)), args[0]);
  },
  op_node_pbkdf2_async: (derive, args) => {
    op_isobase_judge_iterations(whole(args[2]), whole(args[4]));
    return holdingUntilSettled(args[4], () => ReflectApply(derive, undefined, args));
  },
  op_node_scrypt_async: (derive, args) => {
    // It may wait, and who asks may use the buffers for something else meanwhile.
    args[0] = copied(args[0]);
    args[1] = copied(args[1]);
    const bytes = judgedScrypt(args[3], args[4], args[5]) + args[2];
    return filled(bytes, () => ReflectApply(derive, undefined, args));
  },
  op_node_scrypt_sync: (derive, args) => {
    return holding(judgedScrypt(args[3], args[4], args[5]), () => ReflectApply(derive, undefined, args));
  },
};

function copied(data) {
  const isArray = ArrayBufferIsView(data) && TypedArrayPrototypeGetSymbolToStringTag(data) !== undefined;
  return isArray ? TypedArrayPrototypeSlice(data) : data;
}

function holdKey(key, bytes) {
  if (bytes >= COUNTED_BYTES_MIN) hold(key, bytes);
  return key;
}

/** The operations as Node's modules get them: `scripts.rs` has them ask here. */
internals.judged = (ops) => {
  const judged = { __proto__: ops };
  const names = ObjectKeys(JUDGED);
  for (let i = 0; i < names.length; i++) {
    const operation = ops[names[i]], judge = JUDGED[names[i]];
    judged[names[i]] = (...args) => {
      ReflectApply(judge, undefined, args);
      return ReflectApply(operation, undefined, args);
    };
  }
  const holding = ObjectKeys(HOLDING);
  for (let i = 0; i < holding.length; i++) {
    const operation = ops[holding[i]], call = HOLDING[holding[i]];
    judged[holding[i]] = (...args) => call(operation, args);
  }
  return judged;
};

// ---- SubtleCrypto ----------------------------------------------------------------------------------

/** A copy of an algorithm, so that what was judged is what is read, and what native code fills for it. */
function judgedAlgorithm(algorithm, members, bits) {
  if (algorithm === null || (typeof algorithm !== "object" && typeof algorithm !== "function")) {
    return { algorithm, bytes: 0 };
  }
  const copy = { __proto__: null };
  for (let i = 0; i < members.length; i++) {
    const value = algorithm[members[i]];
    if (value !== undefined) copy[members[i]] = value;
  }
  if (copy.name === undefined) return { algorithm: copy, bytes: 0 };
  copy.name = `${copy.name}`;
  const name = StringPrototypeToUpperCase(copy.name);
  if (name === "PBKDF2" && copy.iterations !== undefined) {
    copy.iterations = +copy.iterations;
    op_isobase_judge_iterations(whole(copy.iterations), whole(bits / 8));
  } else if (StringPrototypeStartsWith(name, "ARGON2") && copy.memory !== undefined && copy.passes !== undefined) {
    copy.memory = +copy.memory;
    copy.passes = +copy.passes;
    op_isobase_judge_filling(whole(copy.memory * 1024), whole(copy.passes));
    return { algorithm: copy, bytes: whole(copy.memory * 1024) };
  } else if (StringPrototypeStartsWith(name, "RSA") && copy.modulusLength !== undefined) {
    copy.modulusLength = +copy.modulusLength;
    judgeModulus(copy.modulusLength);
  }
  return { algorithm: copy, bytes: 0 };
}

const DERIVING = [
  "name", "hash", "salt", "iterations", "info", "public", "memory", "passes", "parallelism", "nonce", "version",
  "secretValue", "associatedData",
];
const GENERATING = ["name", "modulusLength", "publicExponent", "hash", "namedCurve", "length"];
/** Keys of a length that is not given are not longer, in bits: those of a HMAC with SHA-512. */
const KEY_BITS = 1024;

/** Puts `make(method)` in the place of a method of `type`. */
function override(type, name, make) {
  const method = type.prototype[name];
  const value = { [name](...args) { return make(method, this, args); } }[name];
  ObjectDefineProperty(value, "length", { __proto__: null, value: method.length, configurable: true });
  ObjectDefineProperty(type.prototype, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
}

function deriving(bitsOf) {
  return (method, self, args) => {
    if (args.length < 2) return ReflectApply(method, self, args);
    const { algorithm, bytes } = judgedAlgorithm(args[0], DERIVING, bitsOf(args));
    args[0] = algorithm;
    if (bytes === 0) return ReflectApply(method, self, args);
    return filled(bytes, () => ReflectApply(method, self, args));
  };
}

override(SubtleCrypto, "deriveBits", deriving((args) => {
  if (args[2] !== null && args[2] !== undefined) args[2] = +args[2];
  return args[2];
}));
override(SubtleCrypto, "deriveKey", deriving((args) => {
  args[2] = judgedAlgorithm(args[2], GENERATING, 0).algorithm;
  if (args[2]?.length !== undefined) args[2].length = +args[2].length;
  return args[2]?.length ?? KEY_BITS;
}));
override(SubtleCrypto, "generateKey", (method, self, args) => {
  if (args.length > 0) args[0] = judgedAlgorithm(args[0], GENERATING, 0).algorithm;
  return ReflectApply(method, self, args);
});

const IMPORTING = ["name", "hash", "namedCurve", "length"];
const JWK = [
  "kty", "use", "key_ops", "alg", "ext", "crv", "x", "y", "d", "n", "e", "p", "q", "dp", "dq", "qi", "oth", "k", "priv",
  "pub",
];

const isBuffer = (data) => ArrayBufferIsView(data) || isArrayBuffer(data);

/** A key as it is imported, its JSON copied, and how long it is. */
function importedKey(data) {
  if (isBuffer(data)) return { data, bytes: bytesOf(data) };
  if (data === null || typeof data !== "object") return { data, bytes: 0 };
  const copy = { __proto__: null };
  for (let i = 0; i < JWK.length; i++) {
    const value = data[JWK[i]];
    if (value !== undefined) copy[JWK[i]] = value;
  }
  return { data: copy, bytes: lengthOf(copy) };
}

function isRsa(algorithm) {
  const name = algorithm !== null && typeof algorithm === "object" ? algorithm.name : algorithm;
  return StringPrototypeStartsWith(StringPrototypeToUpperCase(`${name}`), "RSA");
}

override(SubtleCrypto, "importKey", (importKey, self, args) => {
  if (args.length < 5) return ReflectApply(importKey, self, args);
  args[2] = judgedAlgorithm(args[2], IMPORTING, 0).algorithm;
  const { data, bytes } = importedKey(args[1]);
  args[1] = data;
  if (isRsa(args[2])) op_isobase_judge_key(bytes);
  return holdKey(ReflectApply(importKey, self, args), bytes);
});
override(SubtleCrypto, "unwrapKey", (unwrapKey, self, args) => {
  if (args.length < 7 || !isBuffer(args[1])) return ReflectApply(unwrapKey, self, args);
  args[4] = judgedAlgorithm(args[4], IMPORTING, 0).algorithm;
  const bytes = bytesOf(args[1]);
  if (isRsa(args[4])) op_isobase_judge_key(bytes);
  return holdKey(ReflectApply(unwrapKey, self, args), bytes);
});

// ---- Compression -----------------------------------------------------------------------------------

/** What a stream of `type` is done with does not count any more; Node's module says so. */
internals.closed = letGo;

/** What a stream of `type` holds, about, counts from `init` on. `bytesOf` may change what `init` is given. */
function holdWhileOpen(type, bytesOf) {
  override(type, "init", (init, self, args) => {
    hold(self, bytesOf(args));
    let done = false;
    try {
      const result = ReflectApply(init, self, args);
      done = result !== false;
      return result;
    } finally {
      if (!done) letGo(self);
    }
  });
}

const UNSET = 0xFFFFFFFF;
const MEBIBYTE = 1 << 20;

/** A parameter of `args[0]`, if it is set. */
function parameter(args, at) {
  const parameters = args[0];
  if (at >= TypedArrayPrototypeGetLength(parameters)) return undefined;
  return parameters[at] === UNSET ? undefined : parameters[at];
}

holdWhileOpen(Zlib, (args) => {
  const windowBits = (args[0] |= 0), memoryLevel = (args[2] |= 0);
  return 2 ** MathMin(windowBits === 0 ? 17 : windowBits + 2, 17) + 2 ** MathMin(memoryLevel + 9, 18) + 8192;
});

// Parameters 1, 2 and 6 are the quality, the window's logarithm and leave for windows of a gibibyte.
holdWhileOpen(BrotliEncoder, (args) => {
  const quality = parameter(args, 1) ?? 11;
  const windowLog = MathMin(parameter(args, 2) ?? 22, parameter(args, 6) ? 30 : 24);
  return 2 ** windowLog * (quality >= 10 ? 10 : 1);
});
holdWhileOpen(BrotliDecoder, (args) => parameter(args, 1) ? 2 ** 30 : 4 * MEBIBYTE);

// 100 to 103: the level, and the logarithms of the window and of two tables; 160 and 161: long distances and their
// table; 240: threads.
holdWhileOpen(ZstdCompress, (args) => {
  if (parameter(args, 240) > 0) args[0] = without(args[0], 240);
  const level = (parameter(args, 100) ?? 3) | 0;
  const usual = level < 10 ? 21 : level < 20 ? 23 : level + 5;
  const windowLog = parameter(args, 101) ?? (parameter(args, 160) ? MathMax(usual, 27) : usual);
  const tables = 4 * 2 ** (parameter(args, 102) ?? 0) + 4 * 2 ** (parameter(args, 103) ?? 0);
  return 2 ** windowLog * (level < 10 ? 2 : 6) + tables + 8 * 2 ** (parameter(args, 161) ?? 0);
});

// 100: the logarithm of the largest window that content may ask for. Without leave for more it is what every
// decoder on the web has.
holdWhileOpen(ZstdDecompress, (args) => {
  const windowLog = parameter(args, 100);
  if (windowLog > 23) return 2 ** windowLog;
  if (windowLog === undefined) {
    args[0] = without(args[0], 100);
    args[0][100] = 23;
  }
  return 4 * MEBIBYTE;
});

/** A copy of `parameters` in which the one `at` is not set. */
function without(parameters, at) {
  const copy = new Uint32Array(MathMax(TypedArrayPrototypeGetLength(parameters), at + 1));
  TypedArrayPrototypeFill(copy, UNSET);
  TypedArrayPrototypeSet(copy, parameters);
  copy[at] = UNSET;
  return copy;
}
})();
