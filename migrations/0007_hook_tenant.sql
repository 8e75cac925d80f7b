-- SPDX-License-Identifier: Apache-2.0
-- Why:   hooks of a tenant that is not active still started executions; keys of the same tenant were refused.
-- Locks: tenant and hook for the moment in which policies and the trigger are made.

-- With its own policy the owner sees tenants here and nowhere else (see 0002 for the other one).
CREATE POLICY hook_lookup ON tenant FOR SELECT TO CURRENT_USER USING (current_setting('app.definer', true) = 'hook');
CREATE OR REPLACE FUNCTION hook_find(hash bytea)
RETURNS TABLE (token_hash bytea, tenant_id uuid, workflow_id uuid, version integer, active boolean, changed_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM set_config('app.definer', 'hook', true);
	RETURN QUERY SELECT h.token_hash, h.tenant_id, h.workflow_id, h.version, h.active, h.changed_at
	FROM public.hook h JOIN public.tenant t ON t.id = h.tenant_id AND t.status = 'active'
	WHERE h.token_hash = hash AND NOT h.removed;
	PERFORM set_config('app.definer', '', true);
END
$$;

-- The hosts ask for hooks that changed since: a tenant that is suspended or active again changes all of its hooks.
CREATE POLICY hook_tenant ON hook FOR UPDATE TO CURRENT_USER USING (current_setting('app.definer', true) = 'hook');
CREATE FUNCTION hook_tenant_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
	PERFORM set_config('app.definer', 'hook', true);
	UPDATE public.hook SET changed_at = clock_timestamp() WHERE tenant_id = NEW.id AND NOT removed;
	PERFORM set_config('app.definer', '', true);
	RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION hook_tenant_changed() FROM PUBLIC;
CREATE TRIGGER hook_tenant_changed AFTER UPDATE OF status ON tenant
	FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION hook_tenant_changed();
