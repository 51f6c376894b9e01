/* data/models.json and data/gpus.json as bytes of the program; the assembler finds them on its include path. */
    .section .rodata
    .global canirun_models_json, canirun_models_json_end, canirun_gpus_json, canirun_gpus_json_end
canirun_models_json:
    .incbin "models.json"
canirun_models_json_end:
    .byte 0
canirun_gpus_json:
    .incbin "gpus.json"
canirun_gpus_json_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits
