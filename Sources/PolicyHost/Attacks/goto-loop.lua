-- class: dos
-- attack: an endless loop without a loop.
-- expect: KILLED_CPU
-- within: 250
::again::
goto again
