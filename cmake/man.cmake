# One manual page: its Markdown with what the program says of itself, through go-md2man.
# cmake -DPROGRAM=… -DVERSION=… -DIN=….md -DOUT=… -DGO_MD2MAN=… -P man.cmake
cmake_minimum_required(VERSION 3.25)
file(READ ${IN} text)
foreach(part commands options)
  string(TOUPPER "@${part}@" mark)
  execute_process(COMMAND ${PROGRAM} completion ${part} OUTPUT_VARIABLE ${part} COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "${mark}" "${${part}}" text "${text}")
endforeach()
string(REPLACE "@VERSION@" "${VERSION}" text "${text}")
file(WRITE ${OUT}.md "${text}")
execute_process(COMMAND ${GO_MD2MAN} -in ${OUT}.md -out ${OUT} COMMAND_ERROR_IS_FATAL ANY)
