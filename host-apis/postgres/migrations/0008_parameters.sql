-- superuser only: migrations may not change settings that only superusers have, such as session_replication_role
-- Settings that Supabase lets role `postgres` change although Postgres keeps them for superusers: some
-- of the server's own (data dumps begin with session_replication_role), and those of PostgREST, which
-- projects put on role authenticator.

do $$
declare
  parameter text;
begin
  foreach parameter in array array[
    'log_lock_waits',
    'log_min_duration_statement',
    'log_min_messages',
    'log_parameter_max_length',
    'log_statement',
    'log_temp_files',
    'session_replication_role',
    'track_functions',
    'track_io_timing',
    'wal_compression',
    'pg_stat_statements.track',
    'pg_stat_statements.track_utility',
    'app.settings.jwt_exp',
    'app.settings.jwt_secret',
    'pgrst.app_settings',
    'pgrst.client_error_verbosity',
    'pgrst.db_aggregates_enabled',
    'pgrst.db_anon_role',
    'pgrst.db_extra_search_path',
    'pgrst.db_hoisted_tx_settings',
    'pgrst.db_max_rows',
    'pgrst.db_plan_enabled',
    'pgrst.db_pre_request',
    'pgrst.db_prepared_statements',
    'pgrst.db_root_spec',
    'pgrst.db_schemas',
    'pgrst.db_timezone_enabled',
    'pgrst.db_tx_end',
    'pgrst.jwt_aud',
    'pgrst.jwt_role_claim_key',
    'pgrst.jwt_secret',
    'pgrst.jwt_secret_is_base64',
    'pgrst.log_level',
    'pgrst.openapi_mode',
    'pgrst.openapi_security_active',
    'pgrst.openapi_server_proxy_uri',
    'pgrst.server_cors_allowed_origins',
    'pgrst.server_timing_enabled',
    'pgrst.server_trace_header'
  ] loop
    execute format('grant set on parameter %s to postgres', parameter);
  end loop;
end
$$;
