//! The constants that every local Supabase project shares. They are public: client code, tests and
//! tutorials hard-code them, so the same values let all of it run here unchanged. They are for
//! development on one machine and for nothing else.

/// `auth.jwt_secret` of a project that sets none.
pub(crate) const JWT_SECRET: &str = "super-secret-jwt-token-with-at-least-32-characters-long";
/// `iss` of the anon and service keys that are made from [`JWT_SECRET`].
pub(crate) const ISSUER: &str = "supabase-demo";
/// `exp` of those keys: 2032.
pub(crate) const EXPIRES_AT: i64 = 1_983_812_996;
pub(crate) const PUBLISHABLE_KEY: &str = "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH";
pub(crate) const SECRET_KEY: &str = "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz";
/// The public half of the local signing key, so that tokens signed elsewhere with it verify here.
pub(crate) const SIGNING_KEY: &str = r#"{"kty":"EC","kid":"b81269f1-21d8-4f2e-b719-c2240a840d90","use":"sig","key_ops":["verify"],"alg":"ES256","ext":true,"crv":"P-256","x":"M5Sjqn5zwC9Kl1zVfUUGvv9boQjCGd45G8sdopBExB4","y":"P6IXMvA2WYXSHSOMTBH2jsw_9rrzGy89FjPf6oOsIxQ"}"#;
/// Password of the local `postgres` role.
pub(crate) const DATABASE_PASSWORD: &str = "postgres";
/// Where metrics and health are served unless `--admin-port` says otherwise. Supabase uses the
/// ports up to 54329; this one it leaves free.
pub(crate) const ADMIN_PORT: u16 = 54328;
