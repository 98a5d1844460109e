// Makes the user that the reconciler logs in as, or completes one that is there; it may be run again.
// All -> System Definition -> Scripts - Background, as an administrator, in scope global. Then open the user: Set Password.
(function () {
    var USER = 'coralogix.sync';
    var ROLES = ['itil', 'snc_basic_auth_api_access'];  // and 'itil_admin', where only an administrator may close

    var user = new GlideRecord('sys_user');
    if (!user.get('user_name', USER)) {
        user.initialize();
        user.setValue('user_name', USER);
        user.setValue('first_name', 'Coralogix');
        user.setValue('last_name', 'reconciler');
    }
    user.setValue('active', true);
    user.setValue('web_service_access_only', true);
    user.setValue('password_needs_reset', false);
    user.setValue('time_zone', 'GMT');
    var id = user.isNewRecord() ? user.insert() : user.update();
    gs.print(USER + ': ' + id);

    ROLES.forEach(function (name) {
        var role = new GlideRecord('sys_user_role');
        if (!role.get('name', name)) {
            gs.print(name + ': this instance has no such role, and needs none');
            return;
        }
        var given = new GlideRecord('sys_user_has_role');
        given.addQuery('user', id);
        given.addQuery('role', role.getUniqueValue());
        given.query();
        if (given.next()) {
            gs.print(name + ': was given before');
            return;
        }
        given.initialize();
        given.setValue('user', id);
        given.setValue('role', role.getUniqueValue());
        given.insert();
        gs.print(name + ': given');
    });
})();
