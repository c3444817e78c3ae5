from django.urls import path

from accounts.views import account, audit, claims, data, devices, keys, members, sessions, staff, workspaces

app_name = "accounts"

urlpatterns = [
    path("account/", account.overview, name="overview"),
    path("claim/<str:token>/", claims.claim, name="claim"),
    path("data/", data.data, name="data"),
    path("data/export.zip", data.export, name="export"),
    path("data/erase/", data.erase_visitor, name="erase-visitor"),
    path("account/sessions/", sessions.listing, name="sessions"),
    path("account/sessions/<int:session_id>/end/", sessions.end, name="end-session"),
    path("account/erase/", data.erase_person, name="erase-person"),
    path("challenge/", account.challenge, name="challenge"),
    path("staff/stop-looking/", staff.stop_looking, name="stop-looking"),
    path("mail/", account.mail, name="mail"),
    path("workspaces/", workspaces.listing, name="workspaces"),
    path("workspaces/new/", workspaces.begin, name="begin-team"),
    path("workspaces/<uuid:workspace_id>/switch/", workspaces.switch, name="switch"),
    path("workspace/", workspaces.settings, name="settings"),
    path("workspace/name/", workspaces.rename, name="rename"),
    path("workspace/privacy/", workspaces.privacy, name="privacy"),
    path("workspace/transfer/", workspaces.transfer, name="transfer"),
    path("workspace/leave/", workspaces.leave, name="leave"),
    path("workspace/close/", workspaces.close, name="close"),
    path("workspace/reopen/", workspaces.reopen, name="reopen"),
    path("workspace/members/", members.listing, name="members"),
    path("workspace/members/invite/", members.invite, name="invite"),
    path("workspace/members/<int:member_id>/", members.change, name="change-member"),
    path("workspace/members/<int:member_id>/remove/", members.remove, name="remove-member"),
    path("workspace/invitations/<int:invitation_id>/resend/", members.resend, name="resend"),
    path("workspace/invitations/<int:invitation_id>/withdraw/", members.withdraw, name="withdraw"),
    path("invitation/<str:token>/", members.invitation, name="invitation"),
    path("workspace/keys/", keys.listing, name="keys"),
    path("workspace/keys/new/", keys.issue, name="issue-key"),
    path("workspace/keys/device/", devices.connect, name="connect-device"),
    path("workspace/keys/<int:key_id>/limits/", keys.change, name="change-key"),
    path("workspace/keys/<int:key_id>/rotate/", keys.rotate, name="rotate-key"),
    path("workspace/keys/<int:key_id>/revoke/", keys.revoke, name="revoke-key"),
    path("workspace/audit/", audit.log, name="audit"),
    path("workspace/audit.csv", audit.export, name="audit-csv"),
]
