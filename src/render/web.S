/* The page's style and scripts as bytes of the program; the assembler finds them on its include path. */
    .section .rodata
.macro embed name, file
    .global canirun_\name, canirun_\name\()_end
canirun_\name:
    .incbin "\file"
canirun_\name\()_end:
    .byte 0
.endm
    embed web_style, "page.css"
    embed web_glue, "page.js"
    embed web_jquery, "jquery.min.js"
    embed web_datatables, "jquery.dataTables.min.js"
    embed web_chart, "chart.min.js"
    .section .note.GNU-stack, "", %progbits
