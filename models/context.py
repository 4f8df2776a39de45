"""What a feature may know beside its own symbol's bars, as one float64 vector.

Every value is as of an instant no later than the bar's close. Names here are positions there:
`context[UTC_OFFSET_SECONDS]`.
"""

CONTEXT_FIELDS = ("utc_offset_seconds",)
"""`utc_offset_seconds`: local time of the session's zone minus UTC at the bar's close."""

CONTEXT_SIZE = len(CONTEXT_FIELDS)
UTC_OFFSET_SECONDS = CONTEXT_FIELDS.index("utc_offset_seconds")
