"""Every setting of the web side, read from the environment, a module a subject.

A bad value refuses to start and names its variable. Each variable stands in the README's table; a test compares
the two. Defaults are the safe ones: a bare environment runs with DEBUG off and asks for what it cannot guess.
"""

import django_stubs_ext

from loremotion.settings.framework import *
from loremotion.settings.hooks import *
from loremotion.settings.limits import *
from loremotion.settings.mail import *
from loremotion.settings.monitoring import *
from loremotion.settings.payment import *
from loremotion.settings.provenance import *
from loremotion.settings.security import *
from loremotion.settings.sign_in import *
from loremotion.settings.site import *
from loremotion.settings.stores import *

django_stubs_ext.monkeypatch()  # lets ModelAdmin[Model] and its like be written at run time
