"""What remote workers say of a provider, in patterns: of a clip on its way, of one that failed, and of a key's test."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_noop

PATTERNS: Final = (
    gettext_noop("%(provider)s does not take our account at the moment (%(status)s)."),
    gettext_noop("%(provider)s does not take your workspace's own key (%(status)s)."),
    gettext_noop("Test or replace it under Provider keys."),
    gettext_noop("We can't open your workspace's own key. Add it again under Provider keys."),
    gettext_noop("No account %(account)s is set up for your workspace's own key."),
    gettext_noop("No account %(account)s is set up for this model."),
    gettext_noop("The remote worker met an error of its own."),
    gettext_noop("What was begun before cannot be looked up now."),
    gettext_noop("We lost touch with %(provider)s while it was asked, and cannot tell whether it began."),
    gettext_noop("%(provider)s is busy (%(status)s)."),
    gettext_noop("%(provider)s cannot be reached."),
    gettext_noop("%(provider)s did not answer."),
    gettext_noop("%(provider)s does not answer."),
    gettext_noop("%(provider)s broke off the download."),
    gettext_noop("%(provider)s broke off (%(status)s)."),
    gettext_noop("%(provider)s answered with more than %(count)s bytes."),
    gettext_noop("%(provider)s answered with something that is no JSON."),
    gettext_noop("%(provider)s answered with something that is no object."),
    gettext_noop("%(provider)s answered with something that is no task."),
    gettext_noop("%(provider)s answered %(status)s."),
    gettext_noop("%(provider)s did not name the job."),
    gettext_noop("%(provider)s did not name the operation."),
    gettext_noop("%(provider)s does not say how the clip stands."),
    gettext_noop("%(provider)s does not know its own job any more."),
    gettext_noop("%(provider)s has no file of the clip."),
    gettext_noop("%(provider)s has no model %(model)s."),
    gettext_noop("%(provider)s sent no video."),
    gettext_noop("%(provider)s sent a clip of %(got)s s, and %(asked)s s were asked for."),
    gettext_noop("%(provider)s sent a clip of %(got)s, and %(asked)s was asked for."),
    gettext_noop("Try again later."),
    gettext_noop("%(provider)s refused: %(quoted)s"),
    gettext_noop("%(provider)s made no clip: %(quoted)s"),
)
"""``quoted`` is what a provider says, in its own words."""
