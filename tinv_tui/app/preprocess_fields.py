"""How the settings of Preprocess images lie in their form."""

from __future__ import annotations

from tinv_tui.app.fields import Field, Rows, fields_of

SOURCE, DESTINATION = "preprocess.source", "preprocess.destination"

PREPROCESS_ROWS: Rows = (
    (Field(SOURCE, "Source", placeholder="the folder of pictures as they are"),),
    (Field(DESTINATION, "Destination", placeholder="a new folder for the dataset"),),
    (
        Field("preprocess.width", "Size", 6),
        Field("preprocess.height", "x", 6),
        Field("preprocess.flip", "mirror images too"),
    ),
    (Field("preprocess.blip", "BLIP", words={"auto": "if it is here", "on": "yes", "off": "no"}),),
    (Field("preprocess.tagger", "Tagger", lists=True, placeholder="none; deepdanbooru, wd-vit, a folder, …"),),
    (Field("preprocess.caption_action", "Old captions"),),
    (Field("preprocess.focal_crop", "focal point crop"), Field("preprocess.debug_image", "draw what it sees")),
    (
        Field("preprocess.face_weight", "Weigh faces", 5),
        Field("preprocess.entropy_weight", "entropy", 5),
        Field("preprocess.edges_weight", "edges", 5),
    ),
    (Field("preprocess.face_model", "Face model", placeholder="OpenCV's own"),),
    (Field("preprocess.split", "split oversized"),),
    (Field("preprocess.split_threshold", "Split below", 5), Field("preprocess.split_overlap", "overlap", 5)),
    (Field("preprocess.auto_crop", "auto-sized crop"), Field("preprocess.keep_size", "keep original size")),
    (Field("preprocess.auto_crop_min_side", "Crop sides", 6), Field("preprocess.auto_crop_max_side", "to", 6)),
    (Field("preprocess.auto_crop_min_area", "Crop areas", 9), Field("preprocess.auto_crop_max_area", "to", 9)),
    (
        Field("preprocess.auto_crop_objective", "Crop to best", words={"area": "largest", "error": "closest"}),
        Field("preprocess.auto_crop_threshold", "cut at most", 5),
    ),
    (Field("preprocess.background", "Behind clear", 12), Field("preprocess.processes", "Processes", 5)),
    (Field("preprocess.blip_model", "BLIP model"),),
    (
        Field("preprocess.blip_min_length", "Tokens from", 5),
        Field("preprocess.blip_max_length", "to", 5),
        Field("preprocess.blip_beams", "beams", 5),
    ),
    (Field("preprocess.tag_threshold", "Tags from", 5), Field("preprocess.character_threshold", "characters", 5)),
    (Field("preprocess.tag_order", "Tags by"), Field("preprocess.tag_spaces", "spaces for _")),
    (Field("preprocess.tag_filter", "Leave out", placeholder="tags, with commas between"),),
)
PREPROCESS_FIELDS = fields_of(PREPROCESS_ROWS)
