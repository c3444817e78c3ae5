from django.urls import path

from catalog import views as catalog
from generation.api import batches, device_login, events, me, reference, verification
from generation.api import sharing as api_sharing
from generation.api import usage as api_usage
from generation.api import views as api
from generation.pages import (
    batch,
    boards,
    detail,
    explore,
    from_sora,
    home,
    library,
    models,
    selection,
    sharing,
    status,
    trial_views,
    usage,
    verify,
)
from generation.pages.price import price
from generation.pages.prompt_length import prompt_length
from generation.pages.tray import tray
from generation.storage import serving
from loremotion.bodies import takes_files

app_name = "generation"

urlpatterns = [
    # The API: no trailing slashes, as its clients expect.
    path("v1/openapi.json", reference.openapi, name="api-contract"),
    path("v1/me", me.Me.as_view(), name="api-me"),
    path("v1/device_logins", device_login.DeviceLogins.as_view(), name="api-device-logins"),
    path("v1/device_logins/claim", device_login.ClaimDeviceLogin.as_view(), name="api-claim-device-login"),
    path("v1/usage", api_usage.UsageView.as_view(), name="api-usage"),
    path("v1/verify", takes_files(verification.Verify.as_view()), name="api-verify"),
    path("v1/quotes", takes_files(api.Quotes.as_view()), name="api-quotes"),
    path("v1/videos", takes_files(api.Videos.as_view()), name="api-videos"),
    path("v1/videos/batches", takes_files(batches.Batches.as_view()), name="api-batches"),
    path("v1/videos/edits", takes_files(api.Edits.as_view()), name="api-edits"),
    path("v1/videos/extensions", takes_files(api.Extensions.as_view()), name="api-extensions"),
    path("v1/videos/<uuid:generation_id>", api.Video.as_view(), name="api-video"),
    path("v1/videos/<uuid:generation_id>/remix", takes_files(api.Remix.as_view()), name="api-remix"),
    path("v1/videos/<uuid:generation_id>/cancel", api.CancelVideo.as_view(), name="api-cancel"),
    path("v1/videos/<uuid:generation_id>/share", api_sharing.Sharing.as_view(), name="api-share"),
    path("v1/videos/<uuid:generation_id>/events", events.events, name="api-events"),
    path("v1/videos/<uuid:generation_id>/content", api.content, name="api-content"),
    path("", home.page, name="home"),
    path("generations/", home.create, name="create"),
    path("generations/recipe/", home.run_again, name="run-again"),
    path("generations/price/", price, name="price"),
    path("generations/tray/", tray, name="tray"),
    path("generations/prompt-length/", prompt_length, name="prompt-length"),
    path("generations/<uuid:generation_id>/", detail.page, name="detail"),
    path("generations/<uuid:generation_id>/mail/", detail.mail_when_ended, name="mail-when-ended"),
    path("generations/<uuid:generation_id>/cancel/", detail.cancel, name="cancel"),
    path("generations/<uuid:generation_id>/reroll/", detail.reroll, name="reroll"),
    path("generations/<uuid:generation_id>/finish/", detail.finish, name="finish"),
    path("generations/<uuid:generation_id>/privacy/", detail.set_privacy, name="privacy"),
    path("generations/<uuid:generation_id>/favourite/", boards.favourite, name="favourite"),
    path("generations/<uuid:generation_id>/delete/", detail.delete, name="delete"),
    path("generations/<uuid:generation_id>/recipe.json", detail.recipe, name="recipe"),
    path("generations/<uuid:generation_id>/share/", sharing.share, name="share"),
    path("generations/<uuid:generation_id>/share/revoke/", sharing.revoke, name="revoke-share"),
    path("generations/<uuid:generation_id>/events/", events.events, name="events"),
    path("generations/<uuid:generation_id>/clip.mp4", serving.clip, name="clip"),
    path("generations/<uuid:generation_id>/clip.gif", serving.converted, {"suffix": "gif"}, name="gif"),
    path("generations/<uuid:generation_id>/clip.webm", serving.converted, {"suffix": "webm"}, name="webm"),
    path("generations/<uuid:generation_id>/poster.jpg", serving.poster, name="poster"),
    path("batch/", batch.page, name="batch"),
    path("batch/review/", batch.review, name="batch-review"),
    path("batch/make/", batch.make, name="batch-make"),
    path("history/sheet/", batch.sheet, name="sheet"),
    path("s/<str:token>/", sharing.page, name="shared"),
    path("s/<str:token>/embed/", sharing.embed, name="shared-embed"),
    path("s/<str:token>/clip.mp4", sharing.clip, name="shared-clip"),
    path("s/<str:token>/poster.jpg", sharing.poster, name="shared-poster"),
    path("oembed", sharing.oembed, name="oembed"),
    path("history/", library.history, name="history"),
    path("history/compare/", selection.compare, name="compare"),
    path("history/clips.zip", selection.zipped, name="zip-clips"),
    path("history/boards/", boards.choose, name="choose-board"),
    path("history/boards/keep/", boards.keep, name="keep"),
    path("history/boards/<uuid:board_id>/rename/", boards.rename, name="rename-board"),
    path("history/boards/<uuid:board_id>/delete/", boards.delete, name="delete-board"),
    path("history/delete/", selection.ask_before_deleting, name="ask-before-deleting"),
    path("history/delete/now/", selection.delete, name="delete-clips"),
    path("billing/usage/", usage.page, name="usage"),
    path("billing/usage/model-limits/", usage.set_model_limits, name="model-limits"),
    *trial_views.urlpatterns,
    path("verify/", takes_files(verify.page), name="verify"),
    path("explore/", explore.page, name="explore"),
    path("models/", models.listing, name="models"),
    path("models/guide/", catalog.guide, name="guide"),  # before the pages of models, whose address it would be
    path("models/<str:slug>/", models.page, name="model"),
    path("status/", status.page, name="status"),
    path("status.json", status.document, name="status-document"),
    path("worker/files/<str:token>", serving.worker_file, name="worker-file"),
    path("llms.txt", reference.llms, name="llms"),
    path("from-sora/", from_sora.page, name="from-sora"),
    path("developers/", reference.developers, name="developers"),
    path("developers/webhooks/", reference.webhooks, name="developers-webhooks"),
]
